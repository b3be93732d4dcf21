/**
 * The AWS Builder ID login of Kiro. Facts as read in public clients, not promised by AWS:
 *
 * - endpoints, registration, device login, camelCase, scopes: aws/amazon-q-developer-cli
 *   `crates/chat-cli/src/auth/builder_id.rs` and `consts.rs`
 * - error codes, rotation, two minutes of margin: sunerpy/kiro-provider `src/kiro`, mikeyobrien/pi-provider-kiro pull
 *   request 3
 * - the names of errors: the API reference of AWS IAM Identity Center OIDC, `CreateToken`
 *
 * @since 0.1.0
 */
import * as Duration from "effect/Duration"
import * as Option from "effect/Option"
import * as DeviceGrant from "../DeviceGrant.js"
import * as OAuthVendor from "../OAuthVendor.js"

const ISSUER = "https://oidc.us-east-1.amazonaws.com"

/** Regions differ in the name of the host alone. */
const endpoints = ({ origin }: URL): Partial<OAuthVendor.Endpoints> => ({
  tokenEndpoint: Option.some(`${origin}/token`),
  deviceAuthorizationEndpoint: Option.some(`${origin}/device_authorization`),
  registrationEndpoint: Option.some(`${origin}/client/register`)
})

/**
 * Kiro: camelCase JSON in both directions, clients that register themselves and end, AWS's names for errors. A client that
 * is refused has ended, and a new login registers a new one.
 *
 * @since 0.1.0
 * @category vendors
 */
export const kiro: OAuthVendor.OAuthVendor = OAuthVendor.make({
  ...endpoints(new URL(ISSUER)),
  id: "kiro",
  name: "Kiro (AWS Builder ID)",
  issuer: Option.some(ISSUER),
  relocate: endpoints,
  clientAuth: "client_secret_post",
  methods: ["device"],
  scopes: ["codewhisperer:completions", "codewhisperer:analysis", "codewhisperer:conversations"],
  device: Option.some(DeviceGrant.make({
    encoding: "json",
    parameters: { start_url: "https://view.awsapps.com/start" },
    sendsScope: false
  })),
  exchangeEncoding: "json",
  refreshEncoding: "json",
  spelling: "camelCase",
  expiry: ["expires_in"],
  errors: new Map([
    ["invalidgrantexception", "InvalidGrant"],
    ["expired_token", "InvalidGrant"],
    ["expiredtokenexception", "InvalidGrant"],
    ["invalid_client", "RegistrationExpired"],
    ["invalidclientexception", "RegistrationExpired"],
    ["unauthorizedclientexception", "InvalidClient"],
    ["accessdeniedexception", "Entitlement"],
    ["slowdownexception", "RateLimited"],
    ["throttlingexception", "RateLimited"],
    ["internalserverexception", "ServerError"]
  ]),
  margin: Option.some(Duration.minutes(2)),
  revocation: Option.none(),
  lifetimes: { accessToken: Option.some("1 hour"), login: Option.some("as long as the client's registration") },
  terms: Option.some({
    note: "no terms about other programs were read; these endpoints are AWS's, this use of them is not",
    alternative: "Kiro's own CLI",
    reserved: false
  })
})
