/**
 * Asking the keeper, before anything is loaded: what it answers is printed as if this process had found it, what it refuses
 * is told as this process would have told it. A keeper that is gone, stopped or for another home is no error: the command
 * goes on by itself.
 *
 * @since 0.1.0
 */
import * as KeeperAddress from "@lockstep/serve/KeeperAddress"
import * as KeeperAsk from "@lockstep/serve/KeeperAsk"
import * as KeeperWire from "@lockstep/serve/KeeperWire"
import * as Fs from "node:fs"
import type { TokenText } from "../token/TokenText.js"

/**
 * What is asked. Times are milliseconds.
 *
 * @since 0.1.0
 * @category models
 */
export interface Question {
  readonly tenant: string
  readonly minTtl: number | undefined
  /** The wish of this process, where it has one of its own. */
  readonly margin: number | undefined
  readonly rejected: string | undefined
  /** What `LOCKSTEP_SERVE` says; the home's own keeper where nothing. */
  readonly address: string | undefined
  /** The file with the key, where the address was named. */
  readonly keyFile: string | undefined
  /** The home that this process means; any, where it named none. */
  readonly home: string | undefined
  /** The kind of store that this process was told. */
  readonly store: string | undefined
  readonly leaveAfter: number | undefined
}

/**
 * What came of it. `None`: the command goes on by itself. `Late`: no answer within `leaveAfter`.
 *
 * @since 0.1.0
 * @category models
 */
export type Outcome =
  | { readonly _tag: "Token"; readonly token: TokenText; readonly store: string | null }
  | { readonly _tag: "Told"; readonly error: KeeperWire.Problem }
  | { readonly _tag: "None" }
  | { readonly _tag: "Late" }

const NONE: Outcome = { _tag: "None" }

/** A token that goes into a line, a header or a shell as it is, and a type beside it. */
const VISIBLE = /^[\x21-\x7e]+$/

const misconfigured = (message: string, advice: string): Outcome => ({
  _tag: "Told",
  error: { _tag: "UsageError", reason: "Configuration", message, advice, exit_code: 2 }
})

const textOf = (answer: KeeperWire.TokenAnswer): TokenText => ({
  tenant: answer.tenant,
  token: answer.access_token,
  tokenType: answer.token_type,
  expiresAt: answer.expires_at ?? null,
  account: answer.account === undefined
    ? null
    : { id: answer.account.id ?? null, label: answer.account.label ?? null },
  generation: answer.generation
})

/** What a keeper says of a key is for the person who set it up; nothing else of its own is. */
const isForPerson = (error: KeeperWire.Problem): boolean =>
  !KeeperWire.isKeepersOwn(error) || error.reason === "KeyMissing" || error.reason === "KeyRefused"

const realHome = (home: string): string => {
  try {
    return Fs.realpathSync.native(home)
  } catch {
    return home
  }
}

/**
 * Asks. Never rejects.
 *
 * @since 0.1.0
 * @category constructors
 */
export const ask = async (question: Question): Promise<Outcome> => {
  const { home, keyFile, leaveAfter, margin, minTtl, rejected, store, tenant } = question
  const named = question.address
  const address = named !== undefined
    ? KeeperAddress.parse(named)
    : home === undefined
    ? undefined
    : KeeperAddress.ofHome(home)
  if (address === undefined) {
    return named === undefined
      ? NONE
      : misconfigured(
        `${KeeperAddress.VARIABLE}: the address of a keeper on this machine is expected`,
        "write unix:/path/of/socket or http://127.0.0.1:PORT, or unset it"
      )
  }
  let key: string | undefined
  if (named !== undefined && keyFile !== undefined) {
    try {
      key = KeeperAddress.readKey(keyFile)
    } catch (error) {
      return misconfigured(
        `${KeeperAddress.KEY_VARIABLE}: the file cannot be read (${
          (error as NodeJS.ErrnoException).code ?? "UNKNOWN"
        })`,
        "name the file that `lockstep agent add NAME --tenant PATTERN --out FILE` wrote, or unset it"
      )
    }
  }
  const reply = await KeeperAsk.ask({
    address,
    method: rejected === undefined ? "GET" : "POST",
    path: rejected === undefined
      ? KeeperWire.tokenPath(tenant, { minTtl, margin })
      : KeeperWire.rejectedPath(tenant, { minTtl, margin }),
    headers: {
      [KeeperWire.CLIENT]: "lockstep",
      ...(key === undefined ? {} : { Authorization: `Bearer ${key}` }),
      ...(home === undefined ? {} : { [KeeperWire.HOME]: encodeURIComponent(realHome(home)) }),
      ...(store === undefined ? {} : { [KeeperWire.STORE]: store })
    },
    ...(rejected === undefined ? {} : { body: { access_token: rejected } }),
    leaveAfter
  })
  if (reply._tag !== "Answered") return reply._tag === "Late" ? { _tag: "Late" } : NONE
  const { body, status } = reply
  if (status === 200 && KeeperWire.isTokenAnswer(body)) {
    const token = textOf(body)
    return token.tenant === tenant && VISIBLE.test(token.token) && VISIBLE.test(token.tokenType) &&
        token.token !== rejected
      ? { _tag: "Token", token, store: body.store ?? null }
      : NONE
  }
  return KeeperWire.isProblemAnswer(body) && isForPerson(body.error) ? { _tag: "Told", error: body.error } : NONE
}
