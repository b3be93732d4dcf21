/**
 * Mutants that no vendor can tell from the descriptor itself, by name, with the reason.
 */
export type Unobservable = Readonly<Record<string, string>>

/**
 * Gives one reason to several mutants.
 */
export const because = (reason: string, ...mutants: ReadonlyArray<string>): Unobservable =>
  Object.fromEntries(mutants.map((mutant) => [mutant, reason]))

/** One of the vendor's own ways comes before it. */
export const keyMethod = because("no sealed key is asked for where a browser or a device is", "methods: with key")

/** There is nothing to prove. */
export const publicClient = because(
  "a client without a secret proves nothing, in whatever way",
  "clientAuth: auto",
  "clientAuth: client_secret_basic",
  "clientAuth: client_secret_post"
)

/** The client is known. */
export const knownClient = because(
  "a client that is known is not registered",
  "registrationEndpoint: invented"
)

/** The account is in the login's answer. */
export const knownAccount = because(
  "no server is asked for an account that the login's answer names",
  "accountEndpoint: invented"
)

/** No member of a form or of such an answer has two words. */
export const noJson = because(
  "forms are never spelled, and answers in snake_case are understood in either spelling",
  "spelling: camelCase"
)

/** What only a login by browser needs. */
export const noBrowser = (exchangeEncoding: "form" | "json"): Unobservable =>
  because(
    "no browser is sent anywhere, and no code is exchanged",
    "authorizationEndpoint: invented",
    "redirect: another host",
    "redirect: another path",
    "redirect: another port than 0",
    "redirect: a page",
    "authorizeParameters: one more",
    `exchangeEncoding: ${exchangeEncoding}`,
    "stateInExchange: true"
  )

/** What only a login by device needs. */
export const noDevice = because(
  "the vendor has no device login: the address, the variant and the method are of no use alone",
  "deviceAuthorizationEndpoint: invented",
  "device: invented"
)

/** No address, or no way to ask. */
export const noRevocation = because(
  "an address without a way to ask is of no use",
  "revocationEndpoint: invented"
)
