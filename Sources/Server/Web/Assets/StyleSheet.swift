/// How the pages look: light and dark, from a phone's width on.
enum StyleSheet {
    static let text = base + bar + content + forms + tables

    private static let base = """
        :root {
          color-scheme: light dark;
          --ground: #f5f6f8; --card: #ffffff; --line: #dfe3e8; --soft: #eef1f5;
          --ink: #1a1f26; --quiet: #566070; --accent: #3550c4; --on-accent: #ffffff; --accent-soft: #e9edfc;
          --danger: #b3261e; --danger-soft: #fdeceb; --good: #1b6e3c; --good-soft: #e6f4ea;
          --warn: #7a4d00; --warn-soft: #fdf1d8; --shadow: 0 1px 2px rgb(16 24 40 / 6%), 0 1px 3px rgb(16 24 40 / 8%);
        }
        @media (prefers-color-scheme: dark) {
          :root {
            --ground: #0e1116; --card: #161b22; --line: #2b323c; --soft: #1d232c;
            --ink: #e7ebf0; --quiet: #a0abb9; --accent: #9db0ff; --on-accent: #0e1330; --accent-soft: #1f2847;
            --danger: #ff9d94; --danger-soft: #3a1d1b; --good: #7fd69c; --good-soft: #14301f;
            --warn: #f2c36b; --warn-soft: #362a10; --shadow: 0 0 0 1px rgb(255 255 255 / 2%);
          }
        }
        *, *::before, *::after { box-sizing: border-box; }
        html { -webkit-text-size-adjust: 100%; }
        body {
          margin: 0; min-height: 100vh; background: var(--ground); color: var(--ink);
          font: 1rem/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", "Liberation Sans", sans-serif;
        }
        a { color: var(--accent); text-underline-offset: .2em; text-decoration-thickness: 1px; }
        h1, h2 { line-height: 1.25; margin: 0; letter-spacing: -.01em; }
        h1 { font-size: 1.625rem; font-weight: 600; }
        h2 { font-size: 1.125rem; font-weight: 600; }
        p { margin: 0; }
        code { font: .9em/1.4 ui-monospace, "SF Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace; overflow-wrap: anywhere; }
        :focus-visible { outline: 3px solid var(--accent); outline-offset: 2px; border-radius: 4px; }
        .quiet { color: var(--quiet); }
        .hidden { position: absolute; width: 1px; height: 1px; margin: -1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
        .skip { position: absolute; left: 1rem; top: -4rem; padding: .5rem 1rem; background: var(--card); z-index: 1; }
        .skip:focus { top: .5rem; }

        """

    private static let bar = """
        .bar { background: var(--card); border-bottom: 1px solid var(--line); }
        .bar-in { max-width: 72rem; margin: 0 auto; padding: .5rem 1.25rem; display: flex; flex-wrap: wrap; align-items: center; gap: .25rem 1.5rem; }
        .brand { display: inline-flex; align-items: center; gap: .5rem; font-weight: 600; color: var(--ink); text-decoration: none; min-height: 2.5rem; }
        .bar nav ul { display: flex; flex-wrap: wrap; gap: .25rem; list-style: none; margin: 0; padding: 0; }
        .bar nav a { display: block; padding: .5rem .75rem; border-radius: 6px; color: var(--quiet); text-decoration: none; }
        .bar nav a:hover { background: var(--soft); color: var(--ink); }
        .bar nav a[aria-current] { background: var(--accent-soft); color: var(--accent); font-weight: 500; }
        .who { margin-left: auto; display: flex; align-items: center; gap: .75rem; color: var(--quiet); }
        .key { flex: none; display: inline-block; width: 1rem; height: 1rem; background: var(--accent); -webkit-mask: url(/assets/key.svg) center/contain no-repeat; mask: url(/assets/key.svg) center/contain no-repeat; }
        .brand .key { width: 1.25rem; height: 1.25rem; }
        @media (forced-colors: active) { .key { background: CanvasText; forced-color-adjust: none; } }

        """

    private static let content = """
        main { max-width: 72rem; margin: 0 auto; padding: 1.75rem 1.25rem 3rem; display: grid; gap: 1.25rem; grid-template-columns: minmax(0, 1fr); }
        main:focus { outline: none; }
        .narrow { max-width: 42rem; }
        .slim { max-width: 29rem; padding-top: 4rem; }
        .crumbs { font-size: .9375rem; color: var(--quiet); }
        .crumbs ol { display: flex; flex-wrap: wrap; gap: .25rem .5rem; list-style: none; margin: 0; padding: 0; }
        .crumbs li + li::before { content: "/" / ""; margin-right: .5rem; color: var(--quiet); }
        .head { display: flex; flex-wrap: wrap; align-items: flex-end; justify-content: space-between; gap: 1rem; }
        .head p { margin-top: .25rem; color: var(--quiet); max-width: 46rem; }
        .card { background: var(--card); border: 1px solid var(--line); border-radius: 10px; box-shadow: var(--shadow); }
        .inner { padding: 1.25rem 1.5rem; }
        .stack { display: grid; gap: 1rem; grid-template-columns: minmax(0, 1fr); }
        .notice { padding: .75rem 1rem; border-radius: 8px; border: 1px solid; display: block; }
        .notice h2 { font-size: 1rem; }
        .notice ul { margin: .25rem 0 0; padding-left: 1.25rem; }
        .notice.good { color: var(--good); background: var(--good-soft); }
        .notice.bad { color: var(--danger); background: var(--danger-soft); }
        .notice.bad a { color: inherit; }
        .notice.warn { color: var(--warn); background: var(--warn-soft); }
        .mark { display: inline-block; padding: .0625rem .5rem; border-radius: 99px; font-size: .8125rem; font-weight: 500; background: var(--soft); color: var(--quiet); white-space: nowrap; }
        .mark.good { background: var(--good-soft); color: var(--good); }
        .mark.warn { background: var(--warn-soft); color: var(--warn); }
        .mark.bad { background: var(--danger-soft); color: var(--danger); }
        .mark.accent { background: var(--accent-soft); color: var(--accent); }
        .marks { display: flex; flex-wrap: wrap; gap: .375rem; margin-top: .375rem; }
        .lines > * { display: block; }
        .empty { padding: 3rem 1.5rem; text-align: center; display: grid; gap: .75rem; justify-items: center; color: var(--quiet); }
        .empty strong { color: var(--ink); font-size: 1.0625rem; }
        .empty .key { width: 2rem; height: 2rem; }
        dl.facts { display: grid; grid-template-columns: max-content minmax(0, 1fr); gap: .5rem 1.5rem; margin: 0; }
        dl.facts dt { color: var(--quiet); }
        dl.facts dd { margin: 0; overflow-wrap: anywhere; }
        dl.facts ul { margin: 0; padding-left: 1.25rem; }
        .prose { display: grid; gap: .75rem; max-width: 46rem; }
        .prose h2 { margin-top: .75rem; }
        .prose pre { margin: 0; padding: .75rem 1rem; background: var(--soft); border-radius: 8px; overflow-x: auto; }
        @media (max-width: 40rem) {
          dl.facts { grid-template-columns: minmax(0, 1fr); gap: 0; }
          dl.facts dd { margin-bottom: .75rem; }
          main { padding-top: 1.25rem; }
          .bar-in, main { padding-left: 1rem; padding-right: 1rem; }
          .bar nav { order: 1; flex-basis: 100%; overflow-x: auto; }
          .bar nav ul { flex-wrap: nowrap; }
          .bar nav a { white-space: nowrap; padding: .375rem .4375rem; }
          .slim { padding-top: 1.25rem; }
        }

        """

    private static let forms = """
        .button, button {
          display: inline-flex; align-items: center; justify-content: center; min-height: 2.5rem; padding: .375rem 1rem;
          border: 1px solid var(--line); border-radius: 8px; background: var(--card); color: var(--ink);
          font: inherit; font-weight: 500; text-decoration: none; cursor: pointer; white-space: nowrap;
        }
        .button:hover, button:hover { border-color: var(--quiet); background: var(--soft); }
        .primary { background: var(--accent); border-color: var(--accent); color: var(--on-accent); }
        .primary:hover { background: var(--accent); border-color: var(--accent); filter: brightness(1.1); }
        .danger { color: var(--danger); }
        .danger.primary { background: var(--danger); border-color: var(--danger); color: var(--card); }
        .small { min-height: 2rem; padding: .125rem .75rem; font-size: .9375rem; }
        .actions { display: flex; flex-wrap: wrap; gap: .75rem; }
        [aria-busy=true] button { opacity: .6; }
        .field { display: grid; gap: .375rem; }
        .field > label, legend { font-weight: 600; }
        .field .hint { color: var(--quiet); font-size: .9375rem; }
        .field .error { color: var(--danger); font-weight: 500; font-size: .9375rem; }
        input, select, textarea {
          width: 100%; min-height: 2.75rem; padding: .5rem .75rem; font: inherit; color: var(--ink); background: var(--card);
          border: 1px solid #8a94a3; border-radius: 8px;
        }
        textarea { min-height: 8rem; resize: vertical; }
        textarea, input.code { font-family: ui-monospace, "SF Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace; font-size: .9375rem; }
        input:focus-visible, select:focus-visible, textarea:focus-visible { outline-offset: 0; border-radius: 8px; }
        [aria-invalid=true] { border-color: var(--danger); box-shadow: inset 0 0 0 1px var(--danger); }
        .fixed { display: flex; gap: .5rem; align-items: center; min-height: 2.75rem; padding: .5rem .75rem; background: var(--soft); border-radius: 8px; }
        .search { display: flex; gap: .5rem; align-items: center; }
        .search input { flex: 1 1 8rem; width: auto; min-width: 0; }
        .search button { min-height: 2.75rem; }
        .filters { display: grid; grid-template-columns: repeat(auto-fit, minmax(13rem, 1fr)); gap: .75rem 1rem; align-items: end; }
        .chips { display: flex; flex-wrap: wrap; gap: .375rem; list-style: none; margin: 0; padding: 0; }
        .chips a { display: block; padding: .25rem .75rem; border: 1px solid var(--line); border-radius: 99px; text-decoration: none; color: var(--quiet); background: var(--card); font-size: .9375rem; }
        .chips a[aria-current] { border-color: var(--accent); color: var(--accent); background: var(--accent-soft); }

        """

    private static let tables = """
        table { width: 100%; border-collapse: collapse; }
        caption { text-align: left; padding: 1rem 1.5rem .5rem; font-weight: 600; }
        th, td { text-align: left; vertical-align: top; padding: .875rem 1rem; border-top: 1px solid var(--line); }
        th:first-child, td:first-child { padding-left: 1.5rem; }
        th:last-child, td:last-child { padding-right: 1.5rem; }
        thead th { border-top: 0; padding-top: .75rem; padding-bottom: .625rem; font-size: .8125rem; font-weight: 600; color: var(--quiet); background: var(--soft); white-space: nowrap; }
        .card > table:first-child thead th:first-child { border-top-left-radius: 9px; }
        .card > table:first-child thead th:last-child { border-top-right-radius: 9px; }
        tbody th { font-weight: 600; overflow-wrap: anywhere; }
        tbody th p { font-weight: 400; color: var(--quiet); }
        td time, .nowrap { white-space: nowrap; overflow-wrap: normal; }
        td.do { width: 1%; }
        td.do .actions { flex-wrap: nowrap; gap: .5rem; justify-content: flex-end; }
        .variable { display: inline-flex; gap: .5rem; align-items: baseline; }
        .variable .key { position: relative; top: .125rem; }
        .foot { display: flex; flex-wrap: wrap; align-items: center; justify-content: space-between; gap: .75rem; padding: .75rem 1.5rem; border-top: 1px solid var(--line); color: var(--quiet); min-height: 3.5rem; }
        @media (max-width: 48rem) {
          table, tbody, tr, th, td { display: block; }
          thead { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
          tbody tr { padding: 1rem; border-top: 1px solid var(--line); display: grid; gap: .5rem; }
          tbody tr:first-child { border-top: 0; }
          tbody th, tbody td, tbody th:first-child, tbody td:first-child, tbody td:last-child { padding: 0; border: 0; width: auto; }
          tbody td[data-label] { display: grid; grid-template-columns: 7.5rem minmax(0, 1fr); gap: .5rem; }
          tbody td[data-label]::before { content: attr(data-label); color: var(--quiet); font-size: .9375rem; }
          td.do .actions { justify-content: flex-start; padding-top: .25rem; flex-wrap: wrap; }
          td.do .small { min-height: 2.5rem; }
          td time, td .nowrap { white-space: normal; }
          .foot { padding: .75rem 1rem; }
          caption { display: block; padding: 1rem 1rem 0; }
        }

        """
}
