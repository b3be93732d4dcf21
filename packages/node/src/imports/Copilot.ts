/**
 * The GitHub logins of Copilot in editors: `hosts.json` by host, `apps.json` by host and client, each with an
 * `oauth_token`. No first-hand description of these files was read: the members are those that other programs look for.
 *
 * GitHub's token is exchanged again and again for Copilot's short-lived ones and stays what it is, so that a copy harms
 * nobody.
 *
 * @since 0.1.0
 */
import { Account } from "@lockstep/core/Credential"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as LooseJson from "./LooseJson.js"
import { login, type ToolEntry } from "./ToolEntry.js"
import type { Format, Machine, ToolImport } from "./ToolImport.js"
import { locateIn } from "./ToolImport.js"

const onWindows = locateIn({ variable: "LOCALAPPDATA", below: ["github-copilot"], otherwise: [] })
const elsewhere = locateIn({
  variable: "XDG_CONFIG_HOME",
  below: ["github-copilot"],
  otherwise: [".config", "github-copilot"]
})

const locate = (file: string) => (machine: Machine): ReadonlyArray<string> => [
  (process.platform === "win32" ? onWindows : elsewhere)(machine, file)
]

const HOST = /^[a-z0-9.-]+$/i

const entry = ([name, found]: readonly [string, LooseJson.Members]): ToolEntry => {
  const [host = "", clientId] = name.split(":")
  return login(name, Option.some("copilot"), {
    vendor: Option.some("copilot"),
    // The vendor's usual domain needs no naming.
    issuer: host === "github.com" || !HOST.test(host) ? Option.none() : Option.some(`https://${host}`),
    clientId: Option.fromNullable(clientId),
    accessToken: Option.none(),
    refreshToken: LooseJson.text(found, "oauth_token"),
    account: Option.map(
      LooseJson.text(found, "user"),
      (user) => Account.make({ id: Option.none(), label: Option.some(user) })
    )
  })
}

const read: Format["read"] = ({ text }) =>
  Either.map(LooseJson.parse(text), (root) => LooseJson.objects(root).map(entry))

/**
 * GitHub Copilot.
 *
 * @since 0.1.0
 * @category tools
 */
export const copilot: ToolImport = {
  name: "copilot",
  title: "GitHub Copilot",
  store: Option.none(),
  formats: [{ locate: locate("hosts.json"), read }, { locate: locate("apps.json"), read }]
}
