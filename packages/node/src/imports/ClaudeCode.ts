/**
 * The subscription login of Claude Code: `.credentials.json`, as read in realiti4/claude-swap
 * `src/claude_swap/credentials.py`. On macOS it is in the keychain instead. After a failed refresh Claude Code leaves
 * empty tokens behind. The account is in `.claude.json`, of which only the member `oauthAccount` is read; the names inside
 * it are unverified. Its logins at MCP servers (`mcpOAuth`) are not read: their members are unverified.
 *
 * @since 0.1.0
 */
import { Account } from "@lockstep/core/Credential"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Path from "node:path"
import { fromMillis, login, type ToolEntry } from "./ToolEntry.js"
import type { Machine, Source, ToolImport } from "./ToolImport.js"
import { locateIn } from "./ToolImport.js"
import * as ToolJson from "./ToolJson.js"

const configuration = locateIn({ variable: "CLAUDE_CONFIG_DIR", otherwise: [".claude"] })

/** Set and empty means the default directory, whatever the other variable says. */
const directory = (machine: Machine): string =>
  Option.match(machine.variable("CLAUDE_SECURESTORAGE_CONFIG_DIR"), {
    onNone: () => configuration(machine),
    onSome: (named) => named === "" ? Path.join(machine.userHome, ".claude") : Path.resolve(named)
  }).normalize("NFC")

const metadata = (machine: Machine): string =>
  locateIn({ variable: "CLAUDE_CONFIG_DIR", otherwise: [] })(machine, ".claude.json")

const account = ({ companions, machine }: Source): Option.Option<Account> =>
  Option.fromNullable(companions.get(metadata(machine))).pipe(
    Option.flatMap((text) => Either.getRight(ToolJson.parse(text))),
    Option.flatMap((root) => ToolJson.object(root, "oauthAccount")),
    Option.map((found) =>
      Account.make({ id: ToolJson.text(found, "accountUuid"), label: ToolJson.text(found, "emailAddress") })
    ),
    Option.filter(({ id, label }) => Option.isSome(id) || Option.isSome(label))
  )

const subscription = (source: Source) => (found: ToolJson.Members): ToolEntry =>
  login("claudeAiOauth", Option.some("anthropic-oauth"), {
    vendor: Option.some("anthropic-oauth"),
    accessToken: ToolJson.text(found, "accessToken"),
    refreshToken: ToolJson.text(found, "refreshToken"),
    scope: ToolJson.words(found, "scopes"),
    expiresAt: Option.flatMap(ToolJson.number(found, "expiresAt"), fromMillis),
    loginExpiresAt: Option.flatMap(ToolJson.number(found, "refreshTokenExpiresAt"), fromMillis),
    account: account(source)
  })

/**
 * Claude Code.
 *
 * @since 0.1.0
 * @category tools
 */
export const claudeCode: ToolImport = {
  name: "claude-code",
  title: "Claude Code",
  store: Option.some("claude-code"),
  formats: [{
    locate: (machine) => [Path.join(directory(machine), ".credentials.json")],
    companions: ({ machine }) => [metadata(machine)],
    read: (source) =>
      Either.map(
        ToolJson.parse(source.text),
        (root) => Option.toArray(Option.map(ToolJson.object(root, "claudeAiOauth"), subscription(source)))
      )
  }]
}
