extension Templates {
    static let settings = [("settings", page), ("crumbs", crumbs), ("secret", secret)]

    private static let crumbs = """
        <nav class="crumbs" aria-label="Where you are"><ol><li><a href="/">Algorithms</a></li>{{#crumbs}}<li>{{#href}}<a href="{{href}}">{{label}}</a>{{/href}}{{^href}}<span aria-current="page">{{label}}</span>{{/href}}</li>{{/crumbs}}</ol></nav>
        """

    private static let page = """
        {{>top}}
        {{>crumbs}}
        <div class="head"><div><h1>Secrets</h1><p>What programs of <strong>{{algorithm}}</strong> get as files and environment variables. <a class="nowrap" href="/help">Documentation</a></p></div>
        {{#mayChange}}<a class="button primary" href="/algorithms/{{algorithm}}/secrets/new">New secret</a>{{/mayChange}}</div>
        {{#hasUnreadable}}<div class="notice bad" role="status"><p>Damaged in the store, and opened by nobody: {{#unreadable}}<code>{{variable}}</code> {{/unreadable}}. An administrator of the machine finds what helps with <code>secretfs doctor</code>.</p></div>
        {{/hasUnreadable}}<form class="search" method="get" action="/algorithms/{{algorithm}}/settings" role="search"><label class="hidden" for="q">Search secrets</label>
        <input id="q" name="q" type="search" placeholder="Search secrets" value="{{search}}"><button type="submit">Search</button></form>
        {{#hasChips}}<nav aria-label="Which secrets"><ul class="chips">{{#chips}}<li><a href="{{href}}"{{#isHere}} aria-current="true"{{/isHere}}>{{label}}</a></li>{{/chips}}</ul></nav>
        {{/hasChips}}<section class="card" aria-label="Secrets of this algorithm">
        {{#isEmpty}}<div class="empty"><span class="key"></span><strong>{{emptyTitle}}</strong><p>{{emptyText}}</p>{{#emptyLink}}<a class="button primary" href="{{emptyLink}}">New secret</a>{{/emptyLink}}</div>
        {{/isEmpty}}{{^isEmpty}}<table role="table">
        <caption class="hidden">Secrets of {{algorithm}}</caption>
        <thead role="rowgroup"><tr role="row"><th role="columnheader" scope="col">Secret</th><th role="columnheader" scope="col">Environment variable</th><th role="columnheader" scope="col">Last read</th><th role="columnheader" scope="col">Changed</th>{{#mayChange}}<th role="columnheader" scope="col"><span class="hidden">What to do</span></th>{{/mayChange}}</tr></thead>
        <tbody role="rowgroup">
        {{#rows}}<tr role="row"><th role="rowheader" scope="row"><a href="/algorithms/{{algorithm}}/secrets/{{variable}}">{{displayName}}</a>{{#about}}<p>{{about}}</p>{{/about}}{{#hasMarks}}<div class="marks">{{#marks}}<span class="mark {{kind}}">{{label}}</span>{{/marks}}</div>{{/hasMarks}}</th>
        <td role="cell" data-label="Variable"><span class="variable"><span class="key"></span><code>{{variable}}</code></span></td>
        <td role="cell" data-label="Last read">{{#read}}{{>time}}{{/read}}{{#unread}}<span class="quiet">{{unread}}</span>{{/unread}}</td>
        <td role="cell" data-label="Changed"><span class="nowrap">Updated {{#updated}}{{>time}}{{/updated}}</span></td>
        {{#mayChange}}<td role="cell" class="do"><div class="actions"><a class="button small" href="/algorithms/{{algorithm}}/secrets/{{variable}}/update">Update<span class="hidden"> {{displayName}}</span></a><a class="button small danger" href="/algorithms/{{algorithm}}/secrets/{{variable}}/remove">Remove<span class="hidden"> {{displayName}}</span></a></div></td>{{/mayChange}}</tr>
        {{/rows}}</tbody></table>
        {{#paging}}{{>paging}}{{/paging}}{{/isEmpty}}
        </section>
        {{#hasShared}}<section class="card" aria-label="Shared with this algorithm"><table role="table">
        <caption>Shared with this algorithm</caption>
        <thead role="rowgroup"><tr role="row"><th role="columnheader" scope="col">Secret</th><th role="columnheader" scope="col">Environment variable</th><th role="columnheader" scope="col">Why it is here</th><th role="columnheader" scope="col">Last read</th></tr></thead>
        <tbody role="rowgroup">
        {{#shared}}<tr role="row"><th role="rowheader" scope="row">{{displayName}}{{#about}}<p>{{about}}</p>{{/about}}{{#hasMarks}}<div class="marks">{{#marks}}<span class="mark {{kind}}">{{label}}</span>{{/marks}}</div>{{/hasMarks}}</th>
        <td role="cell" data-label="Variable"><span class="variable"><span class="key"></span><code>{{variable}}</code></span></td>
        <td role="cell" data-label="Why"><span>Of <strong>{{owner}}</strong>, granted to <code>{{grant}}</code></span></td>
        <td role="cell" data-label="Last read">{{#read}}{{>time}}{{/read}}{{#unread}}<span class="quiet">{{unread}}</span>{{/unread}}</td></tr>
        {{/shared}}</tbody></table></section>
        {{/hasShared}}
        {{>bottom}}
        """

    private static let secret = """
        {{>top}}
        {{>crumbs}}
        <div class="head"><div><h1>{{displayName}}</h1>{{#about}}<p>{{about}}</p>{{/about}}{{#hasMarks}}<div class="marks">{{#marks}}<span class="mark {{kind}}">{{label}}</span>{{/marks}}</div>{{/hasMarks}}</div>
        {{#mayChange}}<div class="actions"><a class="button primary" href="{{path}}/update">Update</a><a class="button danger" href="{{path}}/remove">Remove</a></div>{{/mayChange}}</div>
        <section class="card inner stack" aria-label="What is known of it"><dl class="facts">
        <dt>Environment variable</dt><dd><span class="variable"><span class="key"></span><code>{{variable}}</code></span></dd>
        <dt>How programs get it</dt><dd>{{delivery}}</dd>
        <dt>Secret provider</dt><dd>{{provider}}</dd>
        <dt>Made</dt><dd>{{#made}}{{>time}}{{/made}}</dd>
        <dt>Updated</dt><dd>{{#updated}}{{>time}}{{/updated}}</dd>
        <dt>Last read</dt><dd>{{#read}}{{>time}}{{/read}}{{#unread}}{{unread}}{{/unread}}</dd>
        {{#expiry}}<dt>Visible until</dt><dd>{{expiry}}</dd>
        {{/expiry}}</dl></section>
        <section class="card inner stack" aria-labelledby="who"><h2 id="who">Who can see the value</h2>
        <p>Programs that open it in a mount of <strong>{{algorithm}}</strong>, because it is the algorithm's own. Nobody can read it here, by the API or on the command line.</p>
        <dl class="facts"><dt>Programs</dt><dd>{{#isAnyone}}Any that may enter the mount{{/isAnyone}}{{^isAnyone}}Only those that match every line:<ul>{{#callers}}<li>{{what}}: <code>{{items}}</code></li>{{/callers}}</ul>{{/isAnyone}}</dd></dl></section>
        <section class="card" aria-label="History"><table role="table">
        <caption>History</caption>
        <thead role="rowgroup"><tr role="row"><th role="columnheader" scope="col">Version</th><th role="columnheader" scope="col">Made</th><th role="columnheader" scope="col">By</th>{{#mayChange}}<th role="columnheader" scope="col"><span class="hidden">What to do</span></th>{{/mayChange}}</tr></thead>
        <tbody role="rowgroup">
        {{#versions}}<tr role="row"><th role="rowheader" scope="row">{{number}}{{#isNewest}} <span class="mark good">in use</span>{{/isNewest}}</th>
        <td role="cell" data-label="Made">{{#made}}{{>time}}{{/made}}</td>
        <td role="cell" data-label="By">{{by}}</td>
        {{#mayChange}}<td role="cell" class="do">{{^isNewest}}<div class="actions"><a class="button small" href="{{path}}/rollback?version={{number}}">Roll back<span class="hidden"> to version {{number}}</span></a></div>{{/isNewest}}</td>{{/mayChange}}</tr>
        {{/versions}}</tbody></table>
        <div class="foot"><span>{{kept}}</span></div></section>
        {{>bottom}}
        """
}
