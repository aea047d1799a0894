extension Templates {
    static let store = [("audit", audit), ("help", help)]

    private static let audit = """
        {{>top}}
        <div class="head"><div><h1>Audit</h1><p>Who opened and changed what, the newest first. Whether the log is whole, <code>secretfs audit verify</code> tells.</p></div></div>
        {{#problem}}<p class="notice bad" role="alert" id="problem">{{problem}}</p>
        {{/problem}}<form class="card inner stack" method="get" action="/audit" role="search" aria-label="Filters">
        <div class="filters">
        {{#filters}}<div class="field"><label for="{{id}}">{{label}}</label><input id="{{id}}" name="{{id}}" value="{{value}}" placeholder="{{example}}" autocapitalize="none" spellcheck="false"{{#problem}} aria-describedby="problem"{{/problem}}></div>
        {{/filters}}{{#choices}}<div class="field"><label for="{{id}}">{{label}}</label><select id="{{id}}" name="{{id}}"><option value="">Any</option>{{#options}}<option value="{{option}}"{{#isChosen}} selected{{/isChosen}}>{{option}}</option>{{/options}}</select></div>
        {{/choices}}</div>
        <p class="actions"><button type="submit">Filter</button><a class="button" href="/audit">Clear</a></p></form>
        <section class="card" aria-label="Records">
        {{#isEmpty}}<div class="empty"><strong>No records</strong><p>{{emptyText}}</p></div>
        {{/isEmpty}}{{^isEmpty}}<table role="table">
        <caption class="hidden">Records</caption>
        <thead role="rowgroup"><tr role="row"><th role="columnheader" scope="col">When</th><th role="columnheader" scope="col">Who</th><th role="columnheader" scope="col">What</th><th role="columnheader" scope="col">About</th><th role="columnheader" scope="col">Outcome</th></tr></thead>
        <tbody role="rowgroup">
        {{#rows}}<tr role="row"><td role="cell" data-label="When"><span class="lines"><time datetime="{{iso}}" title="{{ago}}">{{second}}</time><span class="quiet">#{{sequence}}</span></span></td>
        <td role="cell" data-label="Who"><span class="lines"><span>{{who}}</span>{{#program}}<code class="quiet">{{program}}</code>{{/program}}</span></td>
        <td role="cell" data-label="What"><code class="nowrap">{{action}}</code></td>
        <td role="cell" data-label="About"><span class="lines">{{#home}}<span>{{home}}</span>{{/home}}{{#variable}}<span class="variable"><span class="key"></span><code>{{variable}}</code></span>{{/variable}}{{#detail}}<span class="quiet">{{detail}}</span>{{/detail}}</span></td>
        <td role="cell" data-label="Outcome"><span class="mark {{kind}}">{{outcome}}</span></td></tr>
        {{/rows}}</tbody></table>{{/isEmpty}}
        {{#older}}<div class="foot"><span>{{shown}}</span><nav class="actions" aria-label="Pages of the list"><a class="button small" rel="next" href="{{older}}">Older</a></nav></div>
        {{/older}}</section>
        {{>bottom}}
        """

    private static let help = """
        {{>top}}
        <article class="prose">
        <h1>How secrets reach a program</h1>
        <p>A secret has a display name for people, and an environment variable name that never changes. Its value can be replaced, and can never be viewed again: not here, not by the API, not on the command line.</p>
        <h2>In the program</h2>
        <p>The program reads an environment variable, or a file of the same name in its mount.</p>
        <pre><code>import os
        password = os.environ["MYSQL_PASSWORD"]</code></pre>
        <h2>Running it</h2>
        <pre><code>secretfs run nlp/Summarizer -- ./program</code></pre>
        <p>What was started keeps the environment that it was started with. A file that is opened again has the new value within milliseconds.</p>
        <h2>Changes</h2>
        <p>Each new value is a new version; older ones are kept, and can be made the newest again. Every read, change and refusal is recorded.</p>
        <h2>Who sees what</h2>
        <p>An algorithm sees its own secrets, and those that an owner shares with it. On this server you see the algorithms that your roles name.</p>
        <h2>What "last read" says</h2>
        <p>When a program opened the secret, or all variables at once, as far back as this server has looked into the audit log. A secret is marked as unused if no program has read it for 90 days.</p>
        <h2>Sessions</h2>
        <p>You are signed out after 30 minutes without a request, after 12 hours, with a new password, and when the server is restarted.</p>
        </article>
        {{>bottom}}
        """
}
