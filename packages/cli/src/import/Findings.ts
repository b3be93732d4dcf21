/**
 * What was found in a tool's files, as a person sees it. Never a token.
 *
 * @since 0.1.0
 */
import type { Damage } from "@lockstep/node/StoreCodec"
import type { ToolEntry } from "@lockstep/tools/imports/ToolEntry"
import * as Option from "effect/Option"
import * as Style from "../terminal/Style.js"
import * as Table from "../terminal/Table.js"
import * as Times from "../terminal/Times.js"
import type { Candidate, Refreshing } from "./Candidate.js"

/**
 * What there is in a tool's files: logins, what is no login, and files that cannot be read.
 *
 * @since 0.1.0
 * @category models
 */
export interface Findings {
  readonly candidates: ReadonlyArray<Candidate>
  readonly others: ReadonlyArray<{ readonly path: string; readonly entry: Exclude<ToolEntry, { _tag: "Login" }> }>
  readonly damaged: ReadonlyArray<{ readonly path: string; readonly damage: Damage }>
}

const WORDS: Readonly<Record<Exclude<ToolEntry, { _tag: "Login" }>["_tag"], string>> = {
  ApiKey: "an API key, no login",
  LoggedOut: "logged out",
  Elsewhere: "kept elsewhere",
  Replaced: "left by an older version",
  Foreign: "of an unknown kind"
}

const REFRESHING: Readonly<Record<Refreshing, string>> = {
  None: "access token alone",
  Useless: "access token alone (nothing says where to refresh)",
  Stays: "refreshable",
  Rotates: "refreshable, for one use"
}

/**
 * Whose login it is: the name that a person knows, else the vendor's id.
 *
 * @since 0.1.0
 * @category getters
 */
export const accountOf = ({ credential }: Candidate): string =>
  Option.getOrElse(
    Option.flatMap(credential.account, ({ id, label }) => Option.orElse(label, () => id)),
    () => ""
  )

const whatIs = (entry: Findings["others"][number]["entry"]): string => {
  switch (entry._tag) {
    case "Elsewhere":
      return `in ${entry.place}`
    case "Replaced":
      return `${WORDS.Replaced}; ${entry.by} is in use`
    default:
      return WORDS[entry._tag]
  }
}

const expiry = ({ credential }: Candidate, now: number): string => {
  if (Option.isNone(credential.accessToken)) return "no access token"
  return Option.match(credential.expiresAt, {
    onNone: () => "unknown",
    onSome: (at) => at * 1000 <= now ? `expired ${Times.relative(at * 1000, now)}` : Times.relative(at * 1000, now)
  })
}

/**
 * Renders the table of what was found.
 *
 * @since 0.1.0
 * @category rendering
 */
export const table = (
  { candidates, damaged, others }: Findings,
  options: { readonly style: Style.Style; readonly now: number; readonly columns: number }
): string =>
  Table.render(
    ["ENTRY", "ACCOUNT", "EXPIRY", "WHAT", "FILE"],
    [
      ...candidates.map((one) => [
        one.name,
        accountOf(one),
        expiry(one, options.now),
        REFRESHING[one.refreshing],
        one.path
      ]),
      ...others.map(({ entry, path }) => [
        entry.name,
        "",
        "",
        whatIs(entry),
        path
      ]),
      ...damaged.map(({ damage, path }) => ["", "", "", `damaged (${damage})`, path])
    ].map((row) => row.map(Style.printable)),
    options.style,
    options.columns
  )
