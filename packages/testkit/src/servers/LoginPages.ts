/**
 * The pages on which a person logs in and agrees, as an authorization server shows them: real forms, for a real browser.
 *
 * @since 0.1.0
 */
import type { IncomingMessage, ServerResponse } from "node:http"
import type { Provider } from "oidc-provider"
import * as consent from "../internal/consent.js"
import * as formRequest from "../internal/formRequest.js"

/**
 * The people who can log in.
 *
 * @since 0.1.0
 * @category defaults
 */
export const ACCOUNTS = ["ann", "bob"] as const

/**
 * What each of them types.
 *
 * @since 0.1.0
 * @category defaults
 */
export const PASSWORD = "correct horse"

/**
 * What the server answers: a page, or where to go on.
 *
 * @since 0.1.0
 * @category models
 */
export type Answer =
  | { readonly _tag: "Page"; readonly status: number; readonly html: string }
  | { readonly _tag: "GoOn"; readonly location: string }

const escape = (text: string): string => text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`)

const page = (title: string, form: string, status = 200): Answer => ({
  _tag: "Page",
  status,
  html: `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${title}</title>
<link rel="icon" href="data:,">
<style>
:root { color-scheme: light dark; }
body { max-width: 22rem; margin: 15vh auto; padding: 0 1rem; font: 1rem/1.5 system-ui, sans-serif; }
label, input, button { display: block; width: 100%; box-sizing: border-box; font: inherit; }
input, button { margin: .25rem 0 1rem; padding: .5rem .75rem; }
</style>
<main>
<h1>${title}</h1>
<form method="post">
${form}
</form>
</main>
</html>
`
})

const loginPage = (refused: boolean): Answer =>
  page(
    "Log in",
    `${refused ? "<p role=\"alert\">There is no such account, or its password is another one.</p>" : ""}
<label>Account <input name="account" autocomplete="username" required></label>
<label>Password <input name="password" type="password" autocomplete="current-password" required></label>
<button>Log in</button>`,
    refused ? 401 : 200
  )

const consentPage = (client: string, account: string, scope: string): Answer =>
  page(
    "Do you agree?",
    `<p>${escape(client)} asks ${escape(account)} for: ${escape(scope)}</p>
<button name="decision" value="agree">Agree</button>
<button name="decision" value="deny">Deny</button>`
  )

/**
 * Serves one request of an interaction: shows the form, or takes what the person sent with it.
 *
 * @since 0.1.0
 * @category combinators
 */
export const serve = async (
  provider: Provider,
  request: IncomingMessage,
  response: ServerResponse
): Promise<Answer> => {
  const { params, prompt, session } = await provider.interactionDetails(request, response)
  const clientId = String(params["client_id"])
  const scope = String(params["scope"] ?? "")
  const resources = consent.resourcesOf(params)
  const form = request.method === "POST" ? new URLSearchParams(await formRequest.readBody(request)) : undefined
  const goOn = async (result: Parameters<Provider["interactionResult"]>[2]): Promise<Answer> => ({
    _tag: "GoOn",
    location: await provider.interactionResult(request, response, result, { mergeWithLastSubmission: true })
  })

  if (prompt.name === "login") {
    if (form === undefined) return loginPage(false)
    const accountId = ACCOUNTS.find((account) => account === form.get("account"))
    return accountId === undefined || form.get("password") !== PASSWORD
      ? loginPage(true)
      : goOn({ login: { accountId } })
  }
  const accountId = session?.accountId ?? ""
  switch (form?.get("decision")) {
    case "agree":
      return goOn({ consent: { grantId: await consent.grant(provider, { accountId, clientId, scope, resources }) } })
    case "deny":
      return goOn({ error: "access_denied", error_description: "the person said no" })
    default:
      return consentPage(clientId, accountId, scope)
  }
}
