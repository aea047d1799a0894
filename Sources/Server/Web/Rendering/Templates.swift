/// The pages, as Mustache has them. Attributes are always in double quotes, and no tag is of the kind that does not
/// escape (`{{{` and `{{&`): a test looks.
enum Templates {
    static let all: [(name: String, text: String)] =
        frame + access + algorithms + settings + forms + store + providerPages

    private static let frame = [
        ("top", top), ("bottom", bottom), ("paging", paging), ("time", time), ("error", error),
    ]

    private static let top = """
        <!doctype html>
        <html lang="en">
        <head>
        <meta charset="utf-8">
        <meta name="viewport" content="width=device-width, initial-scale=1">
        <title>{{#isWrong}}Error: {{/isWrong}}{{title}} · SecretFS</title>
        <link rel="icon" href="{{keyPath}}" type="image/svg+xml">
        <link rel="stylesheet" href="{{stylePath}}">
        <script src="{{scriptPath}}" defer></script>
        </head>
        <body>
        <a class="skip" href="#main">Skip to the content</a>
        <header class="bar"><div class="bar-in">
        <a class="brand" href="/"><span class="key"></span>SecretFS</a>
        {{#user}}<nav aria-label="Pages"><ul>
        {{#pages}}<li><a href="{{href}}"{{#isHere}} aria-current="page"{{/isHere}}>{{label}}</a></li>
        {{/pages}}</ul></nav>
        <form class="who" method="post" action="/sign-out"><input type="hidden" name="form_token" value="{{formToken}}">
        <span><span class="hidden">Signed in as </span>{{user}}</span><button class="small" type="submit">Sign out</button></form>
        {{/user}}</div></header>
        <main id="main" tabindex="-1"{{#width}} class="{{width}}"{{/width}}>
        {{#notice}}<p class="notice good" role="status">{{notice}}</p>
        {{/notice}}
        """

    private static let bottom = """
        </main>
        </body>
        </html>

        """

    private static let paging = """
        <div class="foot"><span>{{range}}</span>
        <nav class="actions" aria-label="Pages of the list">{{#previous}}<a class="button small" rel="prev" href="{{previous}}">Previous</a>{{/previous}}{{#following}}<a class="button small" rel="next" href="{{following}}">Next</a>{{/following}}</nav></div>
        """

    private static let time = """
        <time datetime="{{iso}}" title="{{exact}}">{{ago}}</time>
        """

    private static let error = """
        {{>top}}
        <div class="card inner stack" role="alert">
        <h1>{{title}}</h1>
        <p>{{message}}</p>
        <p class="quiet">Request <code>{{request}}</code>: the server's log has more about it under this number.</p>
        <p class="actions"><a class="button" href="/">To the algorithms</a></p>
        </div>
        {{>bottom}}
        """

    // MARK: Signing in

    private static let access = [("sign-in", signIn)]

    private static let signIn = """
        {{>top}}
        {{#hasEnded}}<p class="notice warn" role="status">Your session has ended. Sign in to go on where you were; a value that you had typed is gone.</p>
        {{/hasEnded}}{{#isElsewhere}}<p class="notice warn">You came from another site. If you are signed in, <a href="{{continue}}">go on</a>.</p>
        {{/isElsewhere}}{{#refusal}}<div class="notice bad" role="alert" tabindex="-1" id="refusal" autofocus><h2>{{refusal}}</h2></div>
        {{/refusal}}<form class="card inner stack" method="post" action="/sign-in">
        <h1>Sign in</h1>
        <input type="hidden" name="next" value="{{next}}">
        <div class="field"><label for="user">User</label>
        <input id="user" name="user" autocomplete="username" autocapitalize="none" spellcheck="false" required value="{{typed}}"{{#refusal}} aria-describedby="refusal"{{/refusal}}></div>
        <div class="field"><label for="password">Password</label>
        <input id="password" name="password" type="password" autocomplete="current-password" required data-secret{{#refusal}} aria-describedby="refusal"{{/refusal}}></div>
        <p class="actions"><button class="primary" type="submit">Sign in</button></p>
        </form>
        <p class="quiet">No user yet? An administrator makes one with <code>secretfs user create</code>.</p>
        {{>bottom}}
        """

    // MARK: Algorithms

    private static let algorithms = [("algorithms", list)]

    private static let list = """
        {{>top}}
        <div class="head"><div><h1>Algorithms</h1><p>Those whose secrets you may see.</p></div></div>
        <form class="search" method="get" action="/" role="search"><label class="hidden" for="q">Search algorithms</label>
        <input id="q" name="q" type="search" placeholder="Search algorithms" value="{{search}}"><button type="submit">Search</button>{{#search}}<a href="/">Show all</a>{{/search}}</form>
        <div class="card">
        {{#isEmpty}}<div class="empty"><span class="key"></span><strong>{{emptyTitle}}</strong><p>{{emptyText}}</p></div>
        {{/isEmpty}}{{^isEmpty}}<table role="table">
        <caption class="hidden">Algorithms</caption>
        <thead role="rowgroup"><tr role="row"><th role="columnheader" scope="col">Algorithm</th><th role="columnheader" scope="col">Secrets</th><th role="columnheader" scope="col">Made</th></tr></thead>
        <tbody role="rowgroup">
        {{#rows}}<tr role="row"><th role="rowheader" scope="row"><a href="/algorithms/{{algorithm}}/settings">{{algorithm}}</a></th>
        <td role="cell" data-label="Secrets">{{count}}</td>
        <td role="cell" data-label="Made">{{#made}}{{>time}}{{/made}}</td></tr>
        {{/rows}}</tbody></table>
        {{#paging}}{{>paging}}{{/paging}}{{/isEmpty}}
        </div>
        {{>bottom}}
        """
}
