/// What the pages do besides: all of them work without it.
enum PageScript {
    static let text = """
        "use strict";
        // A form that is sent is not sent again while it waits.
        document.addEventListener("submit", (event) => {
          const form = event.target;
          if (form.dataset.sent) { event.preventDefault(); return; }
          if (form.method === "post") {
            form.dataset.sent = "yes";
            form.setAttribute("aria-busy", "true");
          }
        });
        // A page that comes back out of the browser's memory has no value in it, and can be sent again.
        window.addEventListener("pagehide", () => {
          for (const field of document.querySelectorAll("[data-secret]")) field.value = "";
        });
        window.addEventListener("pageshow", () => {
          for (const form of document.querySelectorAll("form[data-sent]")) {
            delete form.dataset.sent;
            form.removeAttribute("aria-busy");
          }
        });
        // The reader's own time, where the page has UTC.
        for (const time of document.querySelectorAll("time[datetime]")) {
          const moment = new Date(time.dateTime);
          if (!isNaN(moment)) time.title = moment.toLocaleString() + " (" + time.title + ")";
        }
        // "/" goes to the search field.
        document.addEventListener("keydown", (event) => {
          if (event.key !== "/" || event.ctrlKey || event.metaKey || event.altKey) return;
          if (/^(INPUT|TEXTAREA|SELECT)$/.test(document.activeElement.tagName)) return;
          const search = document.querySelector("input[type=search]");
          if (search) { event.preventDefault(); search.focus(); }
        });

        """
}
