/**
 * Light or dark: as the system has it, unless the reader has chosen. It runs before the page is
 * drawn, so that nothing flashes, and is therefore no module.
 */
{
  const KEY = "relayx.theme";
  const root = document.documentElement;

  const read = () => {
    try {
      return localStorage.getItem(KEY) ?? "system";
    } catch {
      // A browser that keeps nothing follows the system.
      return "system";
    }
  };

  /** @param {string} theme */
  const apply = (theme) => {
    if (theme === "light" || theme === "dark") root.dataset.theme = theme;
    else delete root.dataset.theme;
  };

  apply(read());
  document.addEventListener("DOMContentLoaded", () => {
    const select = document.getElementById("theme");
    if (!(select instanceof HTMLSelectElement)) return;
    select.value = read();
    select.addEventListener("change", () => {
      try {
        localStorage.setItem(KEY, select.value);
      } catch {
        // The choice then holds for this view of the page.
      }
      apply(select.value);
      document.dispatchEvent(new Event("themechange"));
    });
  });
}
