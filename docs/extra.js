// A narrow screen shows each row of a table as a block: its cells then say what they are.
document$.subscribe(() => {
  for (const table of document.querySelectorAll(".md-typeset table:not([class])")) {
    const heads = [...table.querySelectorAll("thead th")].map((cell) => cell.innerText.trim());
    for (const row of table.querySelectorAll("tbody tr")) {
      [...row.cells].forEach((cell, place) => {
        if (place > 0 && heads[place] && heads.length > 2 && cell.innerText.trim()) {
          cell.dataset.label = heads[place];
        }
      });
    }
  }
});
