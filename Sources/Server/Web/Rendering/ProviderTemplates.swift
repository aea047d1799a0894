extension Templates {
    static let providerPages = [
        ("providers", providers), ("provider-form", form), ("provider-removal", removal),
    ]

    private static let providers = """
        {{>top}}
        <div class="head"><div><h1>Secret Store</h1><p>Where values are kept: in the store itself, and in those of others.</p></div>{{#mayManage}}<p class="actions">{{#kinds}}<a class="button" href="/new-provider/{{kind}}">New {{label}}</a>{{/kinds}}</p>{{/mayManage}}</div>
        <section class="card" aria-label="Secret providers"><table role="table">
        <caption class="hidden">Secret providers</caption>
        <thead role="rowgroup"><tr role="row"><th role="columnheader" scope="col">Provider</th><th role="columnheader" scope="col">Module</th><th role="columnheader" scope="col">Made</th>{{#mayManage}}<th role="columnheader" scope="col"><span class="hidden">What can be done</span></th>{{/mayManage}}</tr></thead>
        <tbody role="rowgroup">{{#rows}}<tr role="row"><th role="rowheader" scope="row">{{name}}{{#isDefault}} <span class="mark accent">Default</span>{{/isDefault}}<p>{{about}}</p></th>
        <td role="cell" data-label="Module"><code>{{module}}</code></td>
        <td role="cell" data-label="Made">{{#made}}{{>time}}{{/made}}</td>{{#mayManage}}<td role="cell" data-label="What can be done"><div class="actions">{{#isExternal}}<form method="post" action="/providers/{{name}}/test"><input type="hidden" name="form_token" value="{{formToken}}"><button type="submit" aria-label="Test {{name}}">Test</button></form><a class="button" href="/providers/{{name}}/update" aria-label="Update {{name}}">Update</a>{{/isExternal}}{{^isDefault}}<form method="post" action="/providers/{{key}}/default"><input type="hidden" name="form_token" value="{{formToken}}"><button type="submit" aria-label="Make {{name}} the default">Make default</button></form>{{#isExternal}}<a class="button" href="/providers/{{name}}/remove" aria-label="Remove {{name}}">Remove</a>{{/isExternal}}{{/isDefault}}</div></td>{{/mayManage}}</tr>{{/rows}}</tbody></table>
        <div class="foot"><span>1-{{count}} of {{count}}</span></div></section>
        {{>bottom}}
        """

    private static let form = """
        {{>top}}
        {{>crumbs}}
        <h1>{{heading}}</h1>
        {{>errors}}
        <form class="card inner stack" method="post" action="{{action}}" novalidate autocomplete="off">
        <input type="hidden" name="form_token" value="{{formToken}}">
        {{#isNew}}<div class="field"><label for="name">Name</label>
        <input class="code" id="name" name="name" maxlength="64" autocomplete="off" autocapitalize="none" spellcheck="false" required value="{{name}}" aria-describedby="name-hint{{#nameError}} name-error{{/nameError}}"{{#nameError}} aria-invalid="true"{{/nameError}}>
        <p class="hint" id="name-hint">Small letters, digits, dots, hyphens and underscores. It never changes.</p>
        {{#nameError}}<p class="error" id="name-error">{{nameError}}</p>{{/nameError}}</div>
        {{/isNew}}<div class="field"><label for="description">Description</label>
        <input id="description" name="description" autocomplete="off" value="{{about}}"{{#descriptionError}} aria-invalid="true" aria-describedby="description-error"{{/descriptionError}}>
        {{#descriptionError}}<p class="error" id="description-error">{{descriptionError}}</p>{{/descriptionError}}</div>
        {{#settings}}<div class="field"><label for="{{id}}"><code>{{id}}</code></label>
        {{#isLong}}<textarea class="code" id="{{id}}" name="{{id}}" rows="4" autocomplete="off" autocapitalize="none" autocorrect="off" spellcheck="false" data-secret aria-describedby="{{id}}-hint"></textarea>{{/isLong}}{{^isLong}}{{#isSecret}}<input class="code" id="{{id}}" name="{{id}}" type="password" autocomplete="new-password" spellcheck="false" data-secret aria-describedby="{{id}}-hint">{{/isSecret}}{{^isSecret}}<input class="code" id="{{id}}" name="{{id}}" autocomplete="off" autocapitalize="none" spellcheck="false" value="{{value}}" aria-describedby="{{id}}-hint{{#error}} {{id}}-error{{/error}}"{{#error}} aria-invalid="true"{{/error}}>{{/isSecret}}{{/isLong}}
        <p class="hint" id="{{id}}-hint">{{about}}{{#isSet}}. It is set: leave it empty to keep it{{/isSet}}</p>
        {{#error}}<p class="error" id="{{id}}-error">{{error}}</p>{{/error}}</div>
        {{/settings}}<div class="field"><label for="interval">Asked every</label>
        <input id="interval" name="interval" inputmode="numeric" autocomplete="off" value="{{interval}}" aria-describedby="interval-hint{{#intervalError}} interval-error{{/intervalError}}"{{#intervalError}} aria-invalid="true"{{/intervalError}}>
        <p class="hint" id="interval-hint">Seconds, 5 to 86400.</p>
        {{#intervalError}}<p class="error" id="interval-error">{{intervalError}}</p>{{/intervalError}}</div>
        <div class="field"><label for="maximum_age">Used without an answer for</label>
        <input id="maximum_age" name="maximum_age" inputmode="numeric" autocomplete="off" value="{{maximumAge}}" aria-describedby="maximum_age-hint{{#maximum_ageError}} maximum_age-error{{/maximum_ageError}}"{{#maximum_ageError}} aria-invalid="true"{{/maximum_ageError}}>
        <p class="hint" id="maximum_age-hint">Seconds, 60 to 2592000: how long a value is opened that the provider has not confirmed.</p>
        {{#maximum_ageError}}<p class="error" id="maximum_age-error">{{maximum_ageError}}</p>{{/maximum_ageError}}</div>
        <p class="hint">Settings that are about the server's machine (files, its own identity) are set on its command line: <code>secretfs provider update</code>.</p>
        <p class="actions"><button class="primary" type="submit">{{button}}</button><a class="button" href="/providers">Cancel</a></p>
        </form>
        {{>bottom}}
        """

    private static let removal = """
        {{>top}}
        {{>crumbs}}
        <form class="card inner stack" method="post" action="/providers/{{name}}/remove">
        <h1>Remove {{name}}?</h1>
        <input type="hidden" name="form_token" value="{{formToken}}">
        <p>This forgets the provider and its credentials, and cannot be undone. Nothing is changed there. As long as secrets refer to it, it stays.</p>
        <p class="actions"><button class="primary danger" type="submit">Remove Provider</button><a class="button" href="/providers">Cancel</a></p>
        </form>
        {{>bottom}}
        """
}
