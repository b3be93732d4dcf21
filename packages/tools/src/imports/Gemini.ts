/**
 * The Google login of the Gemini CLI and its logins at MCP servers, as read in google-gemini/gemini-cli
 * `packages/core/src/code_assist/oauth2.ts`, `oauth-credential-storage.ts` and `services/fileKeychain.ts`. Times are
 * milliseconds. The CLI writes without a lock; Google's refresh tokens stay what they are, so that a copy is harmless.
 *
 * Where the CLI was told to use encrypted storage (`GEMINI_FORCE_ENCRYPTED_FILE_STORAGE=true`) and there is no keychain,
 * everything lies in `gemini-credentials.json`: AES-256-GCM under a key that follows from the public names of host and
 * user. It moves what it finds in `oauth_creds.json` there, and removes that file. Checked in version 0.61.0.
 *
 * @since 0.1.0
 */
import { Account } from "@lockstep/core/Credential"
import type { Damage } from "@lockstep/node/StoreCodec"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Crypto from "node:crypto"
import * as Path from "node:path"
import * as LooseJson from "./LooseJson.js"
import { fromMillis, login, ToolEntry } from "./ToolEntry.js"
import type { Format, Machine, Source, ToolImport } from "./ToolImport.js"
import { locateIn } from "./ToolImport.js"

const directory = locateIn({ variable: "GEMINI_CLI_HOME", below: [".gemini"], otherwise: [".gemini"] })

const ACCOUNTS = "google_accounts.json"

const account = ({ companions, path }: Source): Option.Option<Account> =>
  Option.fromNullable(companions.get(Path.join(Path.dirname(path), ACCOUNTS))).pipe(
    Option.flatMap((text) => Either.getRight(LooseJson.parse(text))),
    Option.flatMap((root) => LooseJson.text(root, "active")),
    Option.map((label) => Account.make({ id: Option.none(), label: Option.some(label) }))
  )

const companions: Format["companions"] = ({ path }) => [Path.join(Path.dirname(path), ACCOUNTS)]

const google = (root: LooseJson.Members, source: Source): ToolEntry =>
  login("google", Option.some("gemini"), {
    vendor: Option.some("gemini"),
    accessToken: LooseJson.text(root, "access_token"),
    refreshToken: LooseJson.text(root, "refresh_token"),
    idToken: LooseJson.text(root, "id_token"),
    tokenType: LooseJson.text(root, "token_type"),
    scope: LooseJson.text(root, "scope"),
    expiresAt: Option.flatMap(LooseJson.number(root, "expiry_date"), fromMillis),
    account: account(source)
  })

/** The CLI's own shape for every token that it stores, Google's included. */
const stored = (found: LooseJson.Members, source: Source): ToolEntry => {
  const name = Option.getOrElse(LooseJson.text(found, "serverName"), () => "unnamed")
  const token = Option.getOrElse(LooseJson.object(found, "token"), (): LooseJson.Members => ({}))
  const isGoogle = name === GOOGLE
  return login(name, Option.some(isGoogle ? "gemini" : `mcp:${name}`), {
    vendor: isGoogle ? Option.some("gemini") : Option.none(),
    tokenEndpoint: LooseJson.text(found, "tokenUrl"),
    clientId: LooseJson.text(found, "clientId"),
    resource: LooseJson.text(found, "mcpServerUrl"),
    accessToken: LooseJson.text(token, "accessToken"),
    refreshToken: LooseJson.text(token, "refreshToken"),
    tokenType: LooseJson.text(token, "tokenType"),
    scope: LooseJson.text(token, "scope"),
    expiresAt: Option.flatMap(LooseJson.number(token, "expiresAt"), fromMillis),
    account: isGoogle ? account(source) : Option.none()
  })
}

const GOOGLE = "main-account"

const SEALED = /^([0-9a-f]{2,64}):([0-9a-f]{32}):((?:[0-9a-f]{2})+)\s*$/i

/**
 * Opens the text of `gemini-credentials.json`. Fails where it was sealed for another user or host, or changed since.
 *
 * @since 0.1.0
 * @category getters
 */
export const unseal = (
  text: string,
  machine: Pick<Machine, "hostname" | "username">
): Either.Either<string, Damage> => {
  const [, iv, tag, body] = SEALED.exec(text) ?? []
  if (iv === undefined || tag === undefined || body === undefined) return Either.left("not iv:tag:cipher")
  return Either.try({
    try: () => {
      const salt = `${machine.hostname}-${machine.username}-gemini-cli`
      const key = Crypto.scryptSync("gemini-cli-oauth", salt, 32)
      const cipher = Crypto.createDecipheriv("aes-256-gcm", key, Buffer.from(iv, "hex"))
      cipher.setAuthTag(Buffer.from(tag, "hex"))
      return Buffer.concat([cipher.update(Buffer.from(body, "hex")), cipher.final()]).toString("utf8")
    },
    catch: () => "sealed for another user or host, or changed since"
  })
}

/** Version 0.61.0 asks for one variable, and so does this import. */
const isSealed = (machine: Machine): boolean =>
  Option.contains(machine.variable("GEMINI_FORCE_ENCRYPTED_FILE_STORAGE"), "true")

const sealedPlace = (machine: Machine): string =>
  machine.names(directory(machine)).includes(SEALED_FILE)
    ? directory(machine, SEALED_FILE)
    : KEYCHAIN

const KEYCHAIN = "the keychain (service gemini-cli-oauth, account main-account)"
const SEALED_FILE = "gemini-credentials.json"

/** A keychain in a file: services, their accounts, and a JSON text for each. */
const unsealed = (root: LooseJson.Members, source: Source): ReadonlyArray<ToolEntry> =>
  LooseJson.objects(root).flatMap(([service, accounts]) =>
    Object.keys(accounts).map((name) =>
      Option.match(
        Option.flatMap(LooseJson.text(accounts, name), (value) => Either.getRight(LooseJson.parse(value))),
        {
          onNone: () => ToolEntry.Foreign({ name: `${service}/${name}` }),
          onSome: (found) => stored({ serverName: name, ...found }, source)
        }
      )
    )
  )

/**
 * Gemini CLI.
 *
 * @since 0.1.0
 * @category tools
 */
export const gemini: ToolImport = {
  name: "gemini",
  title: "Gemini CLI",
  store: Option.none(),
  elsewhere: (machine) =>
    isSealed(machine)
      ? [ToolEntry.Elsewhere({
        name: GOOGLE,
        place: `${KEYCHAIN}, which only Gemini CLI reads`,
        instead: "make a login of its own with `lockstep login gemini`"
      })]
      : [],
  formats: [
    {
      locate: (machine) => [directory(machine, "oauth_creds.json")],
      replacedBy: (_, machine) => isSealed(machine) ? Option.some(sealedPlace(machine)) : Option.none(),
      companions,
      read: (source) => Either.map(LooseJson.parse(source.text), (root) => [google(root, source)])
    },
    {
      locate: (machine) => [directory(machine, SEALED_FILE)],
      companions,
      read: (source) =>
        unseal(source.text, source.machine).pipe(
          Either.flatMap(LooseJson.parse),
          Either.map((root) => unsealed(root, source))
        )
    },
    {
      locate: (machine) => [directory(machine, "mcp-oauth-tokens.json")],
      read: (source) =>
        Either.map(LooseJson.parseList(source.text), (found) => found.map((entry) => stored(entry, source)))
    }
  ]
}
