// "Copy" beside a text: there only where the browser lets a page write to the clipboard.

for (const button of document.querySelectorAll("[data-copy]")) {
  const text = document.getElementById(button.dataset.copy);
  button.hidden = !(navigator.clipboard && text);
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(text.textContent.trim());
      button.textContent = button.dataset.copied;
    } catch {
      getSelection().selectAllChildren(text); // refused: it is marked, to be copied by hand
    }
  });
}
