extension Templates {
    static let forms = [("secret-form", form), ("errors", errors), ("confirm", confirm)]

    private static let errors = """
        {{#isWrong}}<div class="notice bad" role="alert" tabindex="-1" autofocus><h2>Nothing was changed</h2><ul>{{#errors}}<li><a href="#{{field}}">{{message}}</a></li>{{/errors}}</ul></div>
        {{/isWrong}}
        """

    private static let form = """
        {{>top}}
        {{>crumbs}}
        <h1>{{heading}}</h1>
        {{>errors}}
        <form class="card inner stack" method="post" action="{{action}}" novalidate>
        <input type="hidden" name="form_token" value="{{formToken}}">
        {{#secretID}}<input type="hidden" name="secret_id" value="{{secretID}}">
        {{/secretID}}<div class="field"><label for="provider_id">Secret provider</label>
        <select id="provider_id" name="provider_id"{{#provider_idError}} aria-invalid="true" aria-describedby="provider_id-error"{{/provider_idError}}>{{#providers}}<option value="{{id}}"{{#isChosen}} selected{{/isChosen}}>{{name}}</option>{{/providers}}</select>
        {{#provider_idError}}<p class="error" id="provider_id-error">{{provider_idError}}</p>{{/provider_idError}}</div>
        {{#mayRefer}}<div class="field"><label for="reference">Reference</label>
        <input class="code" id="reference" name="reference" autocomplete="off" autocapitalize="none" spellcheck="false" value="{{reference}}" aria-describedby="reference-hint{{#referenceError}} reference-error{{/referenceError}}"{{#referenceError}} aria-invalid="true"{{/referenceError}}>
        <p class="hint" id="reference-hint">Where the value is at an external provider already, for example <code>secret/data/db#password</code>. Empty: what is typed below is written there.</p>
        {{#referenceError}}<p class="error" id="reference-error">{{referenceError}}</p>{{/referenceError}}</div>
        {{/mayRefer}}<div class="field"><label for="short_name">Display name</label>
        <input id="short_name" name="short_name" maxlength="128" autocomplete="off" required value="{{displayName}}"{{#short_nameError}} aria-invalid="true" aria-describedby="short_name-error"{{/short_nameError}}>
        {{#short_nameError}}<p class="error" id="short_name-error">{{short_nameError}}</p>{{/short_nameError}}</div>
        <div class="field"><label for="description">Description</label>
        <input id="description" name="description" autocomplete="off" value="{{about}}" aria-describedby="description-hint{{#descriptionError}} description-error{{/descriptionError}}"{{#descriptionError}} aria-invalid="true"{{/descriptionError}}>
        <p class="hint" id="description-hint">What it is for. Optional, on one line.</p>
        {{#descriptionError}}<p class="error" id="description-error">{{descriptionError}}</p>{{/descriptionError}}</div>
        <div class="field">{{#isNew}}<label for="secret_key">Environment variable name</label>
        <input class="code" id="secret_key" name="secret_key" maxlength="255" autocomplete="off" autocapitalize="none" spellcheck="false" required value="{{variable}}" aria-describedby="secret_key-hint{{#secret_keyError}} secret_key-error{{/secret_keyError}}"{{#secret_keyError}} aria-invalid="true"{{/secret_keyError}}>
        <p class="hint" id="secret_key-hint">A letter, then letters, digits and underscores. It never changes.</p>
        {{#secret_keyError}}<p class="error" id="secret_key-error">{{secret_keyError}}</p>{{/secret_keyError}}{{/isNew}}{{^isNew}}<label for="secret_key">Environment variable name</label>
        <input class="code" id="secret_key" readonly value="{{variable}}" aria-describedby="secret_key-hint">
        <p class="hint" id="secret_key-hint">It never changes: make another secret for another name.</p>{{/isNew}}</div>
        <div class="field"><label for="secret_value">Value</label>
        <textarea id="secret_value" name="secret_value" rows="6" autocomplete="off" autocapitalize="none" autocorrect="off" spellcheck="false" data-secret aria-describedby="secret_value-hint{{#secret_valueError}} secret_value-error{{/secret_valueError}}"{{#secret_valueError}} aria-invalid="true"{{/secret_valueError}}></textarea>
        <p class="hint" id="secret_value-hint">{{^isNew}}Leave it empty to keep the present value, which is never shown. {{/isNew}}Kept exactly as typed, with line ends as LF. For other line ends, and bytes that are no text, use the API or the command line.</p>
        {{#secret_valueError}}<p class="error" id="secret_value-error">{{secret_valueError}}</p>{{/secret_valueError}}</div>
        <div class="field"><label for="delivery">How programs get it</label>
        <select id="delivery" name="delivery"{{#deliveryError}} aria-invalid="true" aria-describedby="delivery-error"{{/deliveryError}}><option value="env"{{^isFile}} selected{{/isFile}}>As an environment variable and a file</option><option value="file"{{#isFile}} selected{{/isFile}}>As a file only, for values that no variable can hold</option></select>
        {{#deliveryError}}<p class="error" id="delivery-error">{{deliveryError}}</p>{{/deliveryError}}</div>
        <p class="actions"><button class="primary" type="submit">{{button}}</button><a class="button" href="{{cancel}}">Cancel</a></p>
        </form>
        {{>bottom}}
        """

    private static let confirm = """
        {{>top}}
        {{>crumbs}}
        <form class="card inner stack" method="post" action="{{action}}">
        <h1>{{heading}}</h1>
        <input type="hidden" name="form_token" value="{{formToken}}">
        <input type="hidden" name="secret_id" value="{{secretID}}">
        {{#paragraphs}}<p>{{text}}</p>
        {{/paragraphs}}<p class="variable"><span class="key"></span><code>{{variable}}</code></p>
        <p class="actions"><button class="primary{{#isDanger}} danger{{/isDanger}}" type="submit">{{button}}</button><a class="button" href="{{cancel}}">Cancel</a></p>
        </form>
        {{>bottom}}
        """
}
