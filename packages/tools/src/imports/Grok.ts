/**
 * The Grok login of xAI: `auth.json` in `GROK_HOME`, or where `GROK_AUTH_PATH` says, as read in xai-org/grok-build
 * `crates/codegen/xai-grok-shell/src/auth`. The CLI locks it by a protocol of its own, which Lockstep does not speak.
 * Its logins at MCP servers are not read.
 *
 * @since 0.1.0
 */
import { Account } from "@lockstep/core/Credential"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Path from "node:path"
import * as LooseJson from "./LooseJson.js"
import { fromDate, login, ToolEntry } from "./ToolEntry.js"
import type { ToolImport } from "./ToolImport.js"
import { locateIn } from "./ToolImport.js"

const directory = locateIn({ variable: "GROK_HOME", otherwise: [".grok"] })

const account = (found: LooseJson.Members): Option.Option<Account> => {
  const [id, label] = [LooseJson.text(found, "user_id"), LooseJson.text(found, "email")]
  return Option.isSome(id) || Option.isSome(label) ? Option.some(Account.make({ id, label })) : Option.none()
}

const entry = ([name, found]: readonly [string, LooseJson.Members]): ToolEntry => {
  const mode = Option.getOrElse(LooseJson.text(found, "auth_mode"), () => "")
  if (mode === "api_key") return ToolEntry.ApiKey({ name })
  const isOidc = mode === "oidc"
  return login(name, Option.some("xai-oauth"), {
    vendor: Option.some("xai-oauth"),
    issuer: LooseJson.text(found, "oidc_issuer"),
    clientId: LooseJson.text(found, "oidc_client_id"),
    accessToken: LooseJson.text(found, "key"),
    // Only what was granted by OpenID Connect is known to be exchanged at its token endpoint.
    refreshToken: isOidc ? LooseJson.text(found, "refresh_token") : Option.none(),
    expiresAt: Option.flatMap(LooseJson.text(found, "expires_at"), fromDate),
    account: account(found)
  })
}

/**
 * Grok CLI.
 *
 * @since 0.1.0
 * @category tools
 */
export const grok: ToolImport = {
  name: "grok",
  title: "Grok CLI",
  store: Option.none(),
  formats: [{
    locate: (machine) => [
      Option.match(Option.filter(machine.variable("GROK_AUTH_PATH"), (path) => path !== ""), {
        onNone: () => directory(machine, "auth.json"),
        onSome: (path) => Path.resolve(path)
      })
    ],
    read: ({ text }) => Either.map(LooseJson.parse(text), (root) => LooseJson.objects(root).map(entry))
  }]
}
