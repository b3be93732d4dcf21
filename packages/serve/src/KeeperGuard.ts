/**
 * Who may ask. Every page in a browser and every user of this machine can send requests to a port of loopback, and a
 * program that fetches addresses for others can be made to. So a request counts only with a header field that none of them
 * can set, from no page, passed on by no proxy, under a name of this machine; and with a key, unless the kernel says that
 * the user of the home asks.
 *
 * @since 0.1.0
 */
import type { CredentialStoreError } from "@lockstep/core/Errors"
import * as AgentKeys from "@lockstep/node/AgentKey"
import * as LocalRequest from "@lockstep/node/network/LocalRequest"
import * as PeerCredentials from "@lockstep/node/network/PeerCredentials"
import * as Data from "effect/Data"
import * as Either from "effect/Either"
import type { IncomingMessage } from "node:http"
import { Caller } from "./Caller.js"
import { KeeperRefused } from "./KeeperProblem.js"
import * as KeeperWire from "./KeeperWire.js"

/**
 * Where a request came in. `Own`: a socket of the user's own. `Shared`: a socket that other users reach, where everyone
 * needs a key. `Loopback`: a port, the same.
 *
 * @since 0.1.0
 * @category models
 */
export type Door = "Own" | "Shared" | "Loopback"

/**
 * What a request is found to be.
 *
 * @since 0.1.0
 * @category models
 */
export type Verdict = Data.TaggedEnum<{
  /** `url` is the target without the key, where one stood in it. */
  Admitted: { readonly caller: Caller; readonly url: string; readonly client: string }
  Refused: { readonly refusal: KeeperRefused }
}>

/**
 * Constructors of {@link Verdict}.
 *
 * @since 0.1.0
 * @category constructors
 */
export const Verdict = Data.taggedEnum<Verdict>()

const refused = (reason: KeeperRefused["reason"], message: string, advice: string): Verdict =>
  Verdict.Refused({ refusal: new KeeperRefused({ reason, message, advice }) })

const FORM = refused(
  "BadRequest",
  "this is not a request to a keeper",
  "send the path and the query alone, one Host field, and the body in chunks or with its length"
)
const HOST = refused(
  "ForeignHost",
  "the Host field is not the address that this keeper listens on",
  "use 127.0.0.1 or localhost with the keeper's port"
)
const METHOD = refused("Method", "this method means nothing here", "use GET or POST")
const ORIGIN = refused("ForeignOrigin", "web pages may not ask a keeper", "ask from a program, without an Origin field")
const FORWARDED = refused(
  "Forwarded",
  "the request was passed on by a proxy",
  "ask the keeper directly, without X-Forwarded-For or Forwarded"
)
const HEADER = refused(
  "HeaderMissing",
  "the request does not say that it means this keeper",
  "send a header field such as `Lockstep-Client: my-program`"
)
const KEY_MISSING = refused(
  "KeyMissing",
  "an agent's key is needed here",
  `send it as \`Authorization: Bearer …\`; \`lockstep agent add NAME --tenant PATTERN --out FILE\` makes one`
)
const KEY_REFUSED = refused(
  "KeyRefused",
  "the key is none of this home's agents, or its time is over",
  "make another one with `lockstep agent add NAME --tenant PATTERN --out FILE`"
)
const KEYS_UNREADABLE = refused(
  "Keys",
  "the keys of agents cannot be read",
  "see `lockstep doctor`; until then no key opens anything"
)

/** The conventions that other programs speak have a header field of their own in its place. */
const FLAVOR = "metadata-flavor"

/** Clients that build an address of a host and a path can carry a key in between; of a host alone some ask first. */
const KEY_IN_PATH = /^\/agent\/([^/?#]+)(.*)$/s

const pathBehind = (rest: string): string => rest.startsWith("/") ? rest : `/${rest}`

const MAX_CLIENT = 128

/** A key and nothing else, as a client sends it that was given the container's file and no header field of ours. */
const isBare = (authorization: string | undefined): boolean => authorization !== undefined && !/\s/.test(authorization)

/** `Bearer`, as OAuth has it; `Basic`, as a client makes it of `http://name:key@host`; or bare, as a container's is. */
const shownKey = (authorization: string): string => {
  const [, scheme = "", rest = ""] = /^(\S+)[ \t]+(\S+)[ \t]*$/.exec(authorization) ?? []
  switch (scheme.toLowerCase()) {
    case "":
      return authorization.trim()
    case "bearer":
      return rest
    case "basic": {
      const text = Buffer.from(rest, "base64").toString("latin1")
      return text.slice(text.indexOf(":") + 1)
    }
    default:
      return ""
  }
}

/**
 * What a guard goes by.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  readonly door: Door
  /** The keys of the home as they are now. */
  readonly keys: () => Either.Either<ReadonlyArray<AgentKeys.AgentKey>, CredentialStoreError>
  /** The user whose home it is. */
  readonly owner: number | undefined
  /** Milliseconds since the epoch. */
  readonly now: () => number
}

/**
 * Makes a guard.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = ({ door, keys, now, owner }: Options): (request: IncomingMessage) => Verdict => {
  const isOwner = (uid: number | undefined): boolean => uid === undefined || uid === owner || uid === 0

  return (request) => {
    const { headers, method, rawHeaders } = request
    const target = request.url ?? ""
    if (!target.startsWith("/") || !LocalRequest.isFramedOnce(request)) return FORM
    const hosts = LocalRequest.named(rawHeaders, "host")
    if (hosts.length !== 1 || LocalRequest.named(rawHeaders, "authorization").length > 1) return FORM
    if (door === "Loopback" && !LocalRequest.isLoopback(hosts[0]!, request.socket.localPort)) return HOST
    if (method !== "GET" && method !== "POST") return METHOD
    if (LocalRequest.isFromPage(headers)) return ORIGIN
    if (LocalRequest.isPassedOn(rawHeaders)) return FORWARDED
    const said = String(headers[KeeperWire.CLIENT] ?? "").trim()
    if (said === "" && headers[FLAVOR] !== "Google" && !isBare(headers.authorization)) return HEADER

    const [, inPath, behind] = KEY_IN_PATH.exec(target) ?? []
    const shown = inPath ?? (headers.authorization === undefined ? undefined : shownKey(headers.authorization))
    const peer = door === "Loopback" ? undefined : PeerCredentials.of(request.socket)
    const from = { uid: peer?.uid, pid: peer?.pid }
    const admitted = (caller: Caller): Verdict =>
      Verdict.Admitted({
        caller,
        url: behind === undefined ? target : pathBehind(behind),
        client: said.slice(0, MAX_CLIENT)
      })
    if (shown === undefined) {
      return door === "Own" && isOwner(peer?.uid) ? admitted(Caller.User(from)) : KEY_MISSING
    }
    const known = keys()
    if (Either.isLeft(known)) return KEYS_UNREADABLE
    const key = AgentKeys.find(known.right, shown)
    return key === undefined || AgentKeys.hasExpired(key, now())
      ? KEY_REFUSED
      : admitted(Caller.Agent({ key, ...from }))
  }
}
