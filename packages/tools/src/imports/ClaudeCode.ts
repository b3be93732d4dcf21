/**
 * The subscription login of Claude Code, read as its store reads it. On macOS it is in the keychain instead.
 *
 * Whose login it is stands in `.claude.json`, member `oauthAccount`; the names inside that are unverified, so that an
 * account may stay unknown. Logins at MCP servers stand beside it, and do not belong to that account.
 *
 * @since 0.1.0
 */
import { Account, Credential } from "@lockstep/core/Credential"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as ClaudeCode from "../adapters/ClaudeCode.js"
import * as LooseJson from "./LooseJson.js"
import { ToolEntry } from "./ToolEntry.js"
import * as ToolFileImport from "./ToolFileImport.js"
import type { Format, Machine, Source, ToolImport } from "./ToolImport.js"
import { locateIn } from "./ToolImport.js"

const metadata = (machine: Machine): string =>
  locateIn({ variable: "CLAUDE_CONFIG_DIR", otherwise: [] })(machine, ".claude.json")

const accountOf = ({ companions, machine }: Source): Option.Option<Account> =>
  Option.fromNullable(companions.get(metadata(machine))).pipe(
    Option.flatMap((text) => Either.getRight(LooseJson.parse(text))),
    Option.flatMap((root) => LooseJson.object(root, "oauthAccount")),
    Option.map((found) =>
      Account.make({ id: LooseJson.text(found, "accountUuid"), label: LooseJson.text(found, "emailAddress") })
    ),
    Option.filter(({ id, label }) => Option.isSome(id) || Option.isSome(label))
  )

const isSubscription = (entry: ToolEntry): entry is Extract<ToolEntry, { readonly _tag: "Login" }> =>
  ToolEntry.$is("Login")(entry) && Option.contains(entry.credential.vendor, SUBSCRIPTION)

const withAccount = (account: Option.Option<Account>) => (entry: ToolEntry): ToolEntry =>
  isSubscription(entry)
    ? ToolEntry.Login({ ...entry, credential: Credential.make({ ...entry.credential, account }) })
    : entry

const MEMBER = "claudeAiOauth"
const SUBSCRIPTION = "anthropic-oauth"

/** Empty tokens, as a refresh that failed leaves them. */
const over = ({ text }: Source): ReadonlyArray<ToolEntry> =>
  Option.toArray(
    Option.map(
      Option.flatMap(Either.getRight(LooseJson.parse(text)), (root) => LooseJson.object(root, MEMBER)),
      () => ToolEntry.LoggedOut({ name: MEMBER })
    )
  )

const inPlace = ToolFileImport.make(ClaudeCode.tool)

const format: Format = {
  ...inPlace.formats[0],
  companions: ({ machine }) => [metadata(machine)],
  read: (source) =>
    Either.map(
      inPlace.formats[0].read(source),
      (entries) => [
        ...(entries.some(({ name }) => name === SUBSCRIPTION) ? [] : over(source)),
        ...entries.map(withAccount(accountOf(source)))
      ]
    )
}

/**
 * Claude Code.
 *
 * @since 0.1.0
 * @category tools
 */
export const claudeCode: ToolImport = { ...inPlace, formats: [format] }
