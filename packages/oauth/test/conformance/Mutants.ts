import * as DeviceGrant from "@lockstep/oauth/DeviceGrant"
import type { ClientAuthMethod, ErrorMeaning, LoginMethod, OAuthVendor, Renewal } from "@lockstep/oauth/OAuthVendor"
import { generic } from "@lockstep/oauth/OAuthVendor"
import * as Duration from "effect/Duration"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"

/**
 * A descriptor with one thing wrong in it.
 */
export interface Mutant {
  /** `refreshEncoding: json`, `scopes: without openid`. */
  readonly name: string
  readonly vendor: OAuthVendor
}

/**
 * Fields that no request and no answer of a server depends on, and which tests are about them instead.
 */
export const NOT_WIRE: Readonly<Partial<Record<keyof OAuthVendor, string>>> = {
  name: "shown to a person: VendorMatrix.test",
  lifetimes: "shown to a person: VendorMatrix.test",
  strict: "of MCP servers, which are in no registry: login/mcp.test",
  environment: "read in place of a stored login: CredentialSources.test"
}

type Change = readonly [name: string, change: Partial<OAuthVendor>]

/** Ways to get one field wrong. The word for a change does not depend on the value, so that a list can name it. */
type Changes = { readonly [Field in keyof OAuthVendor]?: (vendor: OAuthVendor) => ReadonlyArray<Change> }

const without = <A>(values: ReadonlyArray<A>, index: number): ReadonlyArray<A> => values.filter((_, at) => at !== index)

const lastPart = (text: string): string => text.split("/").at(-1) ?? text

const address =
  (field: "issuer" | "accountEndpoint" | keyof OAuthVendor) => (vendor: OAuthVendor): ReadonlyArray<Change> => {
    const present = vendor[field] as Option.Option<string>
    return Option.match(present, {
      onNone: () => [["invented", { [field]: Option.some("https://invented.vendor.example/path") }]],
      onSome: (url) => [
        ["missing", { [field]: Option.none() }],
        ["another path", { [field]: Option.some(`${url}/other`) }],
        ["another host", { [field]: Option.some(url.replace("https://", "https://other.")) }]
      ]
    })
  }

const record =
  (field: "authorizeParameters" | "refreshParameters" | "headers") => (vendor: OAuthVendor): ReadonlyArray<Change> => {
    const present = Object.entries(vendor[field])
    return [
      ...present.map(([name], index): Change => [
        `without ${name}`,
        { [field]: Object.fromEntries(without(present, index)) }
      ]),
      ...present.map(([name]): Change => [`another ${name}`, { [field]: { ...vendor[field], [name]: "other value" } }]),
      ...field === "headers" ? [] : [["one more", { [field]: { ...vendor[field], extra: "1" } }] as const]
    ]
  }

const choice =
  <Field extends keyof OAuthVendor>(field: Field, values: ReadonlyArray<OAuthVendor[Field] & string>) =>
  (vendor: OAuthVendor): ReadonlyArray<Change> =>
    values.filter((value) => value !== vendor[field]).map((value) => [value, { [field]: value }])

const flag =
  (field: "stateInExchange" | "rotates" | "siblingsRevoke") => (vendor: OAuthVendor): ReadonlyArray<Change> => [[
    String(!vendor[field]),
    { [field]: !vendor[field] }
  ]]

/** Entries that the vendor adds to the generic ones, and of those the one that matters most; all of the generic vendor. */
const entries = <Key>(
  vendor: OAuthVendor,
  present: ReadonlyMap<Key, ErrorMeaning>,
  common: ReadonlyMap<Key, ErrorMeaning>,
  always: ReadonlyArray<Key>
): ReadonlyArray<Key> =>
  [...present.keys()].filter((key) =>
    vendor.id === generic.id || always.includes(key) || present.get(key) !== common.get(key)
  )

const dropped = <Key>(map: ReadonlyMap<Key, ErrorMeaning>, key: Key): ReadonlyMap<Key, ErrorMeaning> =>
  new Map([...map].filter(([other]) => other !== key))

const SECRET = Redacted.make("sample")

const sampleContext = ({ id }: OAuthVendor): DeviceGrant.DeviceContext => ({
  deviceAuthorizationEndpoint: "https://vendor.example/api/accounts/deviceauth/usercode",
  tokenEndpoint: "https://vendor.example/token",
  scope: Option.some("scope"),
  // Only a server of one's own choice is asked for a resource.
  resource: id === generic.id ? Option.some("https://api.vendor.example") : Option.none()
})

const requestChanges = (
  which: "start" | "poll",
  grant: DeviceGrant.DeviceGrant,
  context: DeviceGrant.DeviceContext
): ReadonlyArray<readonly [string, DeviceGrant.DeviceGrant]> => {
  const changed = (
    change: (request: DeviceGrant.DeviceRequest) => DeviceGrant.DeviceRequest
  ): DeviceGrant.DeviceGrant =>
    which === "start"
      ? { ...grant, start: (context) => change(grant.start(context)) }
      : { ...grant, poll: (attempt, context) => change(grant.poll(attempt, context)) }
  const sample = which === "start" ? grant.start(context) : grant.poll({ deviceCode: SECRET, userCode: "" }, context)
  return [
    [`${which} at another path`, changed((request) => ({ ...request, url: `${request.url}/other` }))],
    [
      `${which} with the other encoding`,
      changed((request) => ({ ...request, encoding: request.encoding === "form" ? "json" : "form" }))
    ],
    [
      `${which} ${sample.authenticated ? "without" : "with"} a client`,
      changed((request) => ({ ...request, authenticated: !request.authenticated }))
    ],
    [
      `${which} with one more parameter`,
      changed((request) => ({ ...request, parameters: { ...request.parameters, extra: "1" } }))
    ],
    ...Object.keys(sample.parameters).map((name) =>
      [
        `${which} without ${name}`,
        changed((request) => ({
          ...request,
          parameters: Object.fromEntries(Object.entries(request.parameters).filter(([other]) => other !== name))
        }))
      ] as const
    )
  ]
}

const { DeviceAuthorization, DevicePoll } = DeviceGrant

/** Answers to a poll, of which each variant understands some. */
const POLL_ANSWERS: ReadonlyArray<readonly [number, Readonly<Record<string, string>>]> = [
  [403, {}],
  [200, { access_token: "token" }],
  [200, { authorization_code: "code", code_verifier: "verifier" }],
  ...["authorization_pending", "slow_down", "access_denied", "expired_token"].map((error) => [400, { error }] as const)
]

const pollChanges = (
  grant: DeviceGrant.DeviceGrant,
  context: DeviceGrant.DeviceContext
): ReadonlyArray<readonly [string, DeviceGrant.DeviceGrant]> => {
  const understood = new Set(POLL_ANSWERS.map(([status, answer]) => grant.polled(status, answer, context)._tag))
  return [...understood].filter((tag) => tag !== "Other").map((tag) => [
    `polled without ${tag}`,
    {
      ...grant,
      polled: (status, answer, context) => {
        const found = grant.polled(status, answer, context)
        if (found._tag !== tag) return found
        // What is granted is understood by the rules of the token endpoint as well.
        return tag === "Granted" ? DevicePoll.Denied() : DevicePoll.Other()
      }
    }
  ])
}

const startedChanges = (grant: DeviceGrant.DeviceGrant): ReadonlyArray<readonly [string, DeviceGrant.DeviceGrant]> => {
  const changed = (
    change: (found: DeviceGrant.DeviceAuthorization) => Partial<DeviceGrant.DeviceAuthorization>
  ): DeviceGrant.DeviceGrant => ({
    ...grant,
    started: (answer, context) =>
      Option.map(grant.started(answer, context), (found) => new DeviceAuthorization({ ...found, ...change(found) }))
  })
  return [
    ["started with an interval of one's own", changed(() => ({ interval: 5 }))],
    ["started with an end of one's own", changed(() => ({ expiresIn: 1 }))],
    ["started with another user code", changed(({ userCode }) => ({ userCode: `${userCode}X` }))],
    ["started with another page", changed(({ verificationUri }) => ({ verificationUri: `${verificationUri}/other` }))]
  ]
}

const device = (vendor: OAuthVendor): ReadonlyArray<Change> =>
  Option.match(vendor.device, {
    onNone: () => [["invented", { device: Option.some(DeviceGrant.rfc8628) }]],
    onSome: (grant) => [
      ["missing", { device: Option.none() }],
      ...[
        ...requestChanges("start", grant, sampleContext(vendor)),
        ...requestChanges("poll", grant, sampleContext(vendor)),
        ...pollChanges(grant, sampleContext(vendor)),
        ...startedChanges(grant)
      ].map(([name, changed]): Change => [name, { device: Option.some(changed) }])
    ]
  })

const redirect = ({ redirect }: OAuthVendor): ReadonlyArray<Change> => {
  const changed = (name: string, change: Partial<OAuthVendor["redirect"]>): Change => [
    name,
    { redirect: { ...redirect, ...change } }
  ]
  const [first, ...others] = redirect.ports
  return [
    changed("another host", { host: redirect.host === "localhost" ? "127.0.0.1" : "localhost" }),
    changed("another path", { path: "/other" }),
    changed(`another port than ${first}`, { ports: [first + 2, ...others] }),
    ...others.map((port, index) =>
      changed(`another port than ${port}`, { ports: [first, ...others.map((one, at) => at === index ? one + 2 : one)] })
    ),
    // Whatever comes after any free port is never asked for.
    ...first === 0 ? [] : [changed("one port more", { ports: [...redirect.ports, 1499] })],
    ...others.length > 0 ? [changed("one port only", { ports: [first] })] : [],
    ...Option.match(redirect.page, {
      onNone: () => [changed("a page", { page: Option.some("https://invented.vendor.example/page") })],
      onSome: (page) => [
        changed("no page", { page: Option.none() }),
        changed("another page", { page: Option.some(`${page}/other`) })
      ]
    })
  ]
}

const METHODS: ReadonlyArray<LoginMethod> = ["browser", "paste", "device", "key"]
const RENEWALS: ReadonlyArray<Renewal> = ["grant", "bearer", "never"]
const AUTHS: ReadonlyArray<ClientAuthMethod> = ["auto", "none", "client_secret_basic", "client_secret_post"]
const ENCODINGS = ["form", "json"] as const

const revocation = (vendor: OAuthVendor): ReadonlyArray<Change> =>
  Option.match(vendor.revocation, {
    onNone: () => [["invented", { revocation: generic.revocation }]],
    onSome: (style) => [
      ["missing", { revocation: Option.none() }],
      ["the other encoding", {
        revocation: Option.some({ ...style, encoding: style.encoding === "form" ? "json" : "form" })
      }],
      ...(["refresh_token", "access_token"] as const).map((token): Change => {
        const isNamed = style.clientIdWith.includes(token)
        const clientIdWith = isNamed
          ? style.clientIdWith.filter((one) => one !== token)
          : [...style.clientIdWith, token]
        return [
          `${isNamed ? "no client" : "a client"} with the ${token}`,
          { revocation: Option.some({ ...style, clientIdWith }) }
        ]
      })
    ]
  })

const changes: Changes = {
  id: () => [["another", { id: "another" }]],
  issuer: address("issuer"),
  authorizationEndpoint: address("authorizationEndpoint"),
  tokenEndpoint: address("tokenEndpoint"),
  deviceAuthorizationEndpoint: address("deviceAuthorizationEndpoint"),
  registrationEndpoint: address("registrationEndpoint"),
  revocationEndpoint: address("revocationEndpoint"),
  accountEndpoint: address("accountEndpoint"),
  relocate: ({ relocate }) => relocate === generic.relocate ? [] : [["nowhere", { relocate: generic.relocate }]],
  clientId: ({ clientId }) => [
    ["another", { clientId: Option.some("another") }],
    ...Option.isSome(clientId) ? [["missing", { clientId: Option.none() }] as const] : []
  ],
  clientIdVariables: ({ clientIdVariables }) =>
    clientIdVariables.map((name, index) => [
      `without ${name}`,
      { clientIdVariables: without(clientIdVariables, index) }
    ]),
  clientAuth: choice("clientAuth", AUTHS),
  clientSecretSource: ({ clientSecretSource }) => [
    Option.isSome(clientSecretSource)
      ? ["missing", { clientSecretSource: Option.none() }]
      : ["invented", { clientSecretSource: Option.some("nowhere") }]
  ],
  methods: ({ methods }) =>
    METHODS.map((method) =>
      methods.includes(method)
        ? [`without ${method}`, { methods: methods.filter((one) => one !== method) }]
        : [`with ${method}`, { methods: [...methods, method] }]
    ),
  redirect,
  scopes: ({ scopes }) => [
    ...scopes.map((scope, index): Change => [`without ${lastPart(scope)}`, { scopes: without(scopes, index) }]),
    ["one more", { scopes: [...scopes, "extra"] }]
  ],
  authorizeParameters: record("authorizeParameters"),
  exchangeEncoding: choice("exchangeEncoding", ENCODINGS),
  stateInExchange: flag("stateInExchange"),
  device,
  renewal: choice("renewal", RENEWALS),
  refreshEncoding: choice("refreshEncoding", ENCODINGS),
  refreshParameters: (vendor) => [
    ...record("refreshParameters")(vendor),
    ["with scope", { refreshParameters: { ...vendor.refreshParameters, scope: vendor.scopes.join(" ") || "openid" } }]
  ],
  spelling: choice("spelling", ["snake_case", "camelCase"]),
  headers: record("headers"),
  normalize: ({ normalize }) => [
    ...normalize === generic.normalize ? [] : [["not at all", { normalize: generic.normalize }] as const],
    ["too much", { normalize: (answer) => ({ ...normalize(answer), access_token: undefined }) }]
  ],
  expiry: ({ expiry }) => [
    ...expiry.map((source, index): Change => [`without ${source}`, { expiry: without(expiry, index) }]),
    ...expiry.length > 1 ? [["in reverse", { expiry: [...expiry].reverse() }] as const] : [],
    ...expiry.length === 0 ? [["invented", { expiry: generic.expiry }] as const] : []
  ],
  loginExpiresIn: ({ loginExpiresIn }) =>
    Option.isSome(loginExpiresIn)
      ? [
        ["missing", { loginExpiresIn: Option.none() }],
        ["another member", { loginExpiresIn: Option.some("expires_in") }]
      ]
      : [["invented", { loginExpiresIn: Option.some("expires_in") }]],
  account: () => [["no account", { account: () => Option.none() }]],
  errors: (vendor) =>
    entries(vendor, vendor.errors, generic.errors, ["invalid_grant"]).map((code) => [
      `without ${code}`,
      { errors: dropped(vendor.errors, code) }
    ]),
  statuses: (vendor) =>
    entries(vendor, vendor.statuses, generic.statuses, []).map((status) => [
      `without ${status}`,
      { statuses: dropped(vendor.statuses, status) }
    ]),
  rotates: flag("rotates"),
  siblingsRevoke: flag("siblingsRevoke"),
  margin: ({ margin }) => [
    ["longer", { margin: Option.some(Duration.sum(Option.getOrElse(margin, () => Duration.zero), "1 minute")) }],
    ...Option.isSome(margin) ? [["missing", { margin: Option.none() }] as const] : []
  ],
  revocation,
  terms: ({ terms }) => [[
    Option.exists(terms, ({ reserved }) => reserved) ? "not reserved" : "reserved",
    {
      terms: Option.some({
        note: "",
        alternative: "",
        ...Option.getOrUndefined(terms),
        reserved: !Option.exists(terms, ({ reserved }) => reserved)
      })
    }
  ]]
}

/**
 * Every field of a descriptor that has mutants.
 */
export const fields: ReadonlyArray<string> = Object.keys(changes)

/**
 * Gets one thing wrong at a time, in every way that is known here. Codes and statuses are dropped where the vendor adds
 * them to the generic ones.
 */
export const of = (vendor: OAuthVendor): ReadonlyArray<Mutant> =>
  Object.entries(changes).flatMap(([field, change]) =>
    change(vendor).map(([name, difference]) => ({ name: `${field}: ${name}`, vendor: { ...vendor, ...difference } }))
  )
