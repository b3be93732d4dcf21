/**
 * Everything here that reads a text which another program may have written, as functions from a text to what they say.
 */
import { RegisteredClient } from "@lockstep/core/ClientRegistrations"
import * as Credential from "@lockstep/core/Credential"
import { type PendingKey, PendingLogin } from "@lockstep/core/PendingLogins"
import * as TenantId from "@lockstep/core/TenantId"
import * as AuthJson from "@lockstep/node/AuthJson"
import * as ClientsJson from "@lockstep/node/ClientsJson"
import * as KeyringIndex from "@lockstep/node/keyring/KeyringIndex"
import * as KeyringIndexChange from "@lockstep/node/keyring/KeyringIndexChange"
import * as PendingJson from "@lockstep/node/PendingJson"
import * as SealedText from "@lockstep/node/secrets/SealedText"
import type { StoreCodec } from "@lockstep/node/StoreCodec"
import * as StoreDrift from "@lockstep/node/stores/StoreDrift"
import * as VendorsJson from "@lockstep/node/VendorsJson"
import * as Companion from "@lockstep/tools/Companion"
import * as ToolFiles from "@lockstep/tools/ToolFiles"
import * as Either from "effect/Either"
import * as Equal from "effect/Equal"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import * as Samples from "../imports/samples.js"

const { at, cs, it, rt } = Samples.tokens

/** What a codec made of a text: everything that may be shown, and what it must never be. */
export interface Verdict {
  /** Damage, names, results with their secrets wrapped. */
  readonly shown: ReadonlyArray<unknown>
  /** A promise that was broken; empty where none was. */
  readonly broken: ReadonlyArray<string>
}

export interface Subject {
  readonly name: string
  readonly seeds: ReadonlyArray<string>
  readonly read: (text: string) => Verdict
}

const NOW = 1_790_000_000_000

const newcomer = TenantId.make("newcomer")

const fresh = Credential.Credential.make({
  vendor: Option.some("anthropic-oauth"),
  clientId: Option.some("client"),
  resource: Option.some("https://mcp.example/mcp"),
  accessToken: Option.some(Redacted.make(at)),
  refreshToken: Option.some(Redacted.make(rt)),
  expiresAt: Option.some(1_800_000_000),
  generation: 7
})

const tokensOf = (found: Either.Either<Option.Option<Credential.Credential>, unknown>): string =>
  Either.match(found, {
    onLeft: () => "damaged",
    onRight: Option.match({
      onNone: () => "none",
      onSome: ({ accessToken, refreshToken }) =>
        [accessToken, refreshToken].map((token) => Option.getOrElse(Option.map(token, Redacted.value), () => "-"))
          .join()
    })
  })

/** Every function of a codec, in the way in which a store uses them. */
const store = <Document>(codec: StoreCodec<Document>) => (text: string): Verdict => {
  const parsed = codec.parse(text)
  if (Either.isLeft(parsed)) return { shown: [parsed.left], broken: [] }
  const document = parsed.right
  const shown: Array<unknown> = []
  const broken: Array<string> = []
  if (codec.text(document) !== text) broken.push("the text of a document is another one")
  const damage = codec.findDamage(document)
  const tenants = codec.list(document)
  shown.push(damage, codec.movedTo(document), ...tenants.map((tenant) => codec.get(document, tenant)))
  // A damaged file is not written.
  if (Option.isSome(damage)) return { shown, broken }
  for (const tenant of [...tenants, newcomer].slice(0, 4)) {
    const put = codec.put(document, tenant, fresh, NOW)
    if (Either.isLeft(put)) {
      shown.push(put.left)
      continue
    }
    const after = codec.parse(put.right)
    if (Either.isLeft(after) || Option.isSome(codec.findDamage(after.right))) {
      broken.push("a write made a sound file a damaged one")
      continue
    }
    if (tokensOf(codec.get(after.right, tenant)) !== `${at},${rt}`) broken.push("a write was not to be read again")
    for (const other of tenants) {
      if (other !== tenant && tokensOf(codec.get(document, other)) !== tokensOf(codec.get(after.right, other))) {
        broken.push("a write changed the record of another tenant")
      }
    }
    const removed = codec.parse(codec.remove(after.right, tenant, NOW))
    if (Either.isLeft(removed)) broken.push("a removal made a sound file a damaged one")
    else if (tokensOf(codec.get(removed.right, tenant)) !== "none") broken.push("a removal left a record")
  }
  return { shown, broken }
}

const auth = JSON.stringify(
  {
    version: 1,
    tenants: {
      codex: {
        vendor: "codex",
        issuer: "https://auth.openai.com",
        client_id: "c",
        access_token: at,
        refresh_token: rt,
        id_token: it,
        expires_at: 1_790_000_000,
        obtained_at: 1_789_996_400,
        login_expires_at: null,
        account: { id: "1", label: "a@example.com" },
        generation: 7,
        last_redeem: "attempt"
      },
      "mcp:linear": { access_token: at, client_secret: cs, expires_at: 1_790_000_000, unknown: [1, { x: 18 }] },
      foreign: { type: "somebody else's" }
    },
    pending: {
      "codex:local": {
        vendor: "codex",
        state: cs,
        code_verifier: cs,
        redirect_uri: "http://127.0.0.1:1/callback",
        created_at: 1_789_999_900
      }
    },
    clients: {
      "https://as.example": { client_id: "client", client_secret: cs, registered_at: 1_789_999_000 }
    }
  },
  null,
  2
)

const pendingKey: PendingKey = { tenant: TenantId.make("codex"), user: "local" }

const newLogin = Option.getOrThrow(
  Schema.decodeUnknownOption(PendingLogin)({
    vendor: "codex",
    state: cs,
    code_verifier: cs,
    redirect_uri: "http://127.0.0.1:1/callback",
    created_at: 1_789_999_900
  })
)

const pending = (text: string): Verdict => {
  const parsed = AuthJson.parse(text)
  if (Either.isLeft(parsed)) return { shown: [parsed.left], broken: [] }
  const document = parsed.right
  const shown = [PendingJson.get(document, pendingKey), PendingJson.list(document, NOW)]
  if (Option.isSome(AuthJson.findDamage(document))) return { shown, broken: [] }
  const after = AuthJson.parse(PendingJson.put(document, pendingKey, newLogin, NOW))
  const isThere = Either.isRight(after) &&
    Either.match(PendingJson.get(after.right, pendingKey), { onLeft: () => false, onRight: Option.isSome })
  const removed = PendingJson.remove(document, pendingKey, Option.none(), NOW).text
  return {
    shown,
    broken: [
      ...(isThere ? [] : ["an attempt was not to be read again"]),
      ...(Either.isRight(AuthJson.parse(removed)) ? [] : ["a removal made a sound file a damaged one"])
    ]
  }
}

const registered = RegisteredClient.make({ clientId: "client", clientSecret: Option.some(Redacted.make(cs)) })

const ISSUER = "https://as.example"

const clients = (text: string): Verdict => {
  const parsed = AuthJson.parse(text)
  if (Either.isLeft(parsed)) return { shown: [parsed.left], broken: [] }
  const document = parsed.right
  const shown = [ClientsJson.get(document, ISSUER), ...ClientsJson.list(document)]
  if (Option.isSome(AuthJson.findDamage(document))) return { shown, broken: [] }
  const after = AuthJson.parse(ClientsJson.put(document, ISSUER, registered, NOW))
  const isThere = Either.isRight(after) &&
    Option.exists(ClientsJson.get(after.right, ISSUER), (client) => Equal.equals(client, registered))
  return { shown, broken: isThere ? [] : ["a registration was not to be read again"] }
}

const vendors = (text: string): Verdict => {
  const parsed = VendorsJson.parse(text)
  if (Either.isLeft(parsed)) return { shown: [parsed.left], broken: [] }
  const put = VendorsJson.parse(VendorsJson.putClientSecret(parsed.right, "antigravity", Redacted.make(cs)))
  const again = Either.flatMap(put, (document) => VendorsJson.clientSecret(document, "antigravity"))
  const isThere = Either.isRight(again) && Option.exists(again.right, (secret) => Redacted.value(secret) === cs)
  return {
    shown: [
      VendorsJson.clientSecret(parsed.right, "gemini"),
      VendorsJson.hasAcceptedTerms(parsed.right, "t", "gemini")
    ],
    broken: isThere ? [] : ["a client secret was not to be read again"]
  }
}

const vendorsSeed = Either.getOrThrow(Either.map(
  VendorsJson.parse(VendorsJson.putClientSecret(VendorsJson.empty, "gemini", Redacted.make(cs))),
  (document) => VendorsJson.putAcceptedTerms(document, "t", "gemini", NOW)
))

const index = (text: string): Verdict => {
  const parsed = KeyringIndex.format.parse(text)
  if (Either.isLeft(parsed)) return { shown: [parsed.left], broken: [] }
  const document = parsed.right
  const damage = KeyringIndex.format.findDamage(document)
  const tenants = KeyringIndex.list(document)
  const shown = [
    damage,
    KeyringIndex.format.movedTo(document),
    KeyringIndex.stale(document),
    ...tenants.map((tenant) => KeyringIndex.get(document, tenant))
  ]
  if (Option.isSome(damage)) return { shown, broken: [] }
  const write = { tenant: newcomer, writeId: "00000000000000aa", parts: 1 }
  const after = Either.filterOrLeft(
    KeyringIndex.format.parse(KeyringIndexChange.begin(document, write, new Set(), NOW)),
    (next) => Option.isNone(KeyringIndex.format.findDamage(next)) && KeyringIndex.isWriting(next, write.writeId),
    () => "unsound"
  )
  const hadIt = KeyringIndex.isWriting(document, write.writeId)
  return { shown, broken: Either.isRight(after) || hadIt ? [] : ["the note of a write was not to be read again"] }
}

const hex = (digit: string, length: number): string => digit.repeat(length)

const indexSeed = JSON.stringify(
  {
    version: 1,
    tenants: { codex: { generation: 7, write_id: hex("a", 16), parts: 1, bytes: 812, sha256: hex("b", 64) } },
    writing: { [hex("c", 16)]: { tenant: "codex", parts: 1, at: 1_790_000_000 } },
    stale: { [hex("d", 16)]: { tenant: "codex", parts: 2, at: 1_790_000_000 } }
  },
  null,
  2
)

const companion = (text: string): Verdict => {
  const parsed = Companion.format.parse(text)
  if (Either.isLeft(parsed)) return { shown: [parsed.left], broken: [] }
  const completed = [...parsed.right.values()].map((bindings) => Companion.complete(bindings, fresh))
  return {
    shown: [...parsed.right.keys(), ...completed],
    broken: Either.isRight(Companion.format.parse(Companion.textOf(parsed.right)))
      ? []
      : ["what was read cannot be written"]
  }
}

const companionSeed = Companion.textOf(
  new Map([[
    newcomer,
    Option.toArray(Companion.bind(
      fresh,
      Credential.Credential.make({ ...fresh, generation: 9, clientSecret: Option.some(Redacted.make(cs)) })
    ))
  ]])
)

const drift = (text: string): Verdict => {
  const parsed = StoreDrift.parse(text)
  return { shown: Option.match(parsed, { onNone: () => [], onSome: (traces) => [...traces.values()] }), broken: [] }
}

const driftSeed = JSON.stringify({
  version: 1,
  tenants: {
    codex: { store: "file", at: 1_790_000_000, by: "agent 1", before: { store: "keyring", at: 1, by: "agent 2" } }
  }
})

const key = { id: hex("1", 16), key: Redacted.make(new Uint8Array(32).fill(7)) }

const sealed = (text: string): Verdict => {
  const bytes = Buffer.from(text, "latin1")
  const opened = SealedText.open(key, "auth.json.sealed", bytes)
  const isForged = Either.isRight(opened) && Buffer.from(opened.right).toString("utf8") !== auth
  return {
    shown: [
      SealedText.headerOf(bytes),
      Either.mapBoth(opened, { onLeft: SealedText.describe, onRight: () => "opened" })
    ],
    broken: isForged ? ["a text was opened that was not sealed"] : []
  }
}

const toolSeeds: Readonly<Record<string, ReadonlyArray<string>>> = {
  "claude-code": [Samples.all.claudeCode.text],
  "codex-mcp": [JSON.stringify({
    "linear|638130d5ab3558f4": {
      server_name: "linear",
      server_url: "https://mcp.linear.app/mcp",
      client_id: "client",
      access_token: at,
      expires_at: 1_790_000_000_000,
      refresh_token: rt,
      scopes: ["read"]
    }
  })],
  hermes: [JSON.stringify({
    version: 1,
    updated_at: "2026-09-01T00:00:00Z",
    active_provider: "openai-codex",
    providers: {
      "openai-codex": {
        tokens: { access_token: at, refresh_token: rt },
        last_refresh: "2026-09-01T00:00:00Z",
        auth_mode: "chatgpt"
      },
      "xai-oauth": {
        tokens: { access_token: at, refresh_token: rt, id_token: it, expires_in: 21_600, token_type: "Bearer" },
        last_refresh: "2026-09-01T00:00:00Z",
        discovery: {}
      }
    },
    credential_pool: { "openai-codex": [{ id: "x", source: "manual", access_token: at, refresh_token: rt }] },
    suppressed_sources: {}
  })],
  openab: [
    JSON.stringify(
      {
        codex: {
          access_token: at,
          refresh_token: rt,
          expires_at: 1_790_000_000,
          token_endpoint: "https://auth.openai.com/oauth/token",
          provider: "codex"
        },
        "mcp-pending:linear": {
          verifier: cs,
          state: cs,
          token_url: "https://as.example/token",
          provider_name: "linear",
          resource: "https://mcp.example/mcp",
          created_at: 1_789_999_000
        },
        linear: {
          client_id: "client",
          token_response: { access_token: at, token_type: "bearer", refresh_token: rt, expires_in: 3600 },
          granted_scopes: ["read"],
          token_received_at: 1_789_999_100
        }
      },
      null,
      2
    ),
    JSON.stringify({
      access_token: at,
      refresh_token: rt,
      expires_at: 1_790_000_000,
      token_endpoint: "https://auth.openai.com/oauth/token",
      provider: "codex"
    })
  ],
  pi: [JSON.stringify(
    {
      anthropic: { type: "oauth", refresh: rt, access: at, expires: 1_790_000_000_000 },
      "openai-codex": { type: "oauth", refresh: rt, access: at, expires: 1_790_000_000_000, accountId: "acct" },
      google: { type: "api_key", key: cs }
    },
    null,
    2
  )],
  "mcp-remote": [JSON.stringify({
    refresh_token: rt,
    access_token: at,
    token_type: "Bearer",
    expires_in: 3600,
    scope: "mcp:use",
    expires_at: 1_790_000_000_500,
    requested_scope: "mcp:use"
  })],
  "pi-mcp": [JSON.stringify({
    "mcp__linear|https://mcp.linear.app/": {
      serverUrl: "https://mcp.linear.app/",
      clientInformation: { client_id: "client", client_secret: cs, token_endpoint_auth_method: "none" },
      discovery: {
        authorizationServerUrl: "https://as.example/",
        authorizationServerMetadata: { issuer: "https://as.example", token_endpoint: "https://as.example/token" },
        resourceMetadata: { resource: "https://mcp.linear.app/" }
      },
      codeVerifier: cs,
      tokens: { access_token: at, token_type: "bearer", expires_in: 3600, scope: "read", refresh_token: rt },
      tokensExpireAt: 1_790_000_000_500
    }
  })]
}

/** The files of the tools that are written in place. */
export const tools = ToolFiles.all.map((tool) => ({ tool, seeds: toolSeeds[tool.name] ?? [] }))

const imports: ReadonlyArray<Subject> = Object.entries<Samples.Sample>(Samples.all).map(([name, sample]) => ({
  name: `import ${name}`,
  seeds: [sample.text],
  read: (text) => {
    const source = Samples.sourceOf(sample, {
      text,
      companions: new Map(Object.keys(sample.companions ?? {}).map((file) => [file, text]))
    })
    return { shown: [sample.format.companions?.(source), sample.format.read(source)], broken: [] }
  }
}))

export const all: ReadonlyArray<Subject> = [
  { name: "auth.json", seeds: [auth, AuthJson.empty.text], read: store(AuthJson.codec) },
  { name: "unfinished logins", seeds: [auth], read: pending },
  { name: "registered clients", seeds: [auth], read: clients },
  { name: "vendors.json", seeds: [vendorsSeed], read: vendors },
  { name: "keyring index", seeds: [indexSeed], read: index },
  { name: "companion", seeds: [companionSeed], read: companion },
  { name: "drift.json", seeds: [driftSeed], read: drift },
  { name: "sealed text", seeds: [SealedText.seal(key, "auth.json.sealed", auth)], read: sealed },
  ...tools.map(({ seeds, tool }) => ({ name: `file of ${tool.name}`, seeds, read: store(tool.codec) })),
  ...imports
]

/** The seeds of single files, for what reads them from a disk. */
export const authText = auth
export const companionText = companionSeed
export const indexText = indexSeed
export const vendorsText = vendorsSeed
