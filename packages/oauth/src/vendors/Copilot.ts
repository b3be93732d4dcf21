/**
 * GitHub Copilot. Facts as read in public clients and documents, not promised by GitHub:
 *
 * - client, device login, token exchange and the headers that it wants, five minutes of margin, enterprise domains:
 *   badlogic/pi-mono `packages/ai/src/utils/oauth/github-copilot.ts`
 * - variables and their order: "Authenticating GitHub Copilot CLI" of docs.github.com
 * - terms: GitHub community discussion 178117
 *
 * @since 0.1.0
 */
import * as Duration from "effect/Duration"
import * as Option from "effect/Option"
import * as DeviceGrant from "../DeviceGrant.js"
import * as JsonObject from "../JsonObject.js"
import * as OAuthVendor from "../OAuthVendor.js"
import * as SourceVariables from "../SourceVariables.js"

const ISSUER = "https://github.com"

/** github.com and enterprise domains alike: the login at the domain, the API one label below. */
const endpoints = ({ host, protocol }: URL): Partial<OAuthVendor.Endpoints> => ({
  deviceAuthorizationEndpoint: Option.some(`${protocol}//${host}/login/device/code`),
  tokenEndpoint: Option.some(`${protocol}//api.${host}/copilot_internal/v2/token`),
  accountEndpoint: Option.some(`${protocol}//api.${host}/user`)
})

/** `{ token, expires_at }` of the exchange. GitHub's own answers are in form already. */
const normalize: OAuthVendor.OAuthVendor["normalize"] = (answer) =>
  Option.match(JsonObject.text(answer, "token"), {
    onNone: () => answer,
    onSome: (token) => ({ ...answer, access_token: token })
  })

/** GitHub's user: the number stays when the name changes. */
const account: OAuthVendor.OAuthVendor["account"] = (answer) =>
  Option.match(JsonObject.text(answer, "login"), {
    onNone: () => Option.none(),
    onSome: (login) => OAuthVendor.account(Option.map(JsonObject.number(answer, "id"), String), Option.some(login))
  })

/**
 * Copilot: a device login at GitHub, whose token is exchanged for short-lived ones again and again and stays what it is.
 * 401 says that GitHub's token is dead, 403 and 404 that its account has no Copilot. Revoking GitHub's token would take a
 * client secret.
 *
 * The variables hold a token of GitHub's, as Copilot's own CLI reads them.
 *
 * @since 0.1.0
 * @category vendors
 */
export const copilot: OAuthVendor.OAuthVendor = OAuthVendor.make({
  ...endpoints(new URL(ISSUER)),
  id: "copilot",
  name: "GitHub Copilot",
  issuer: Option.some(ISSUER),
  relocate: endpoints,
  clientId: Option.some("Iv1.b507a08c87ecfe98"),
  clientAuth: "none",
  methods: ["device"],
  scopes: ["read:user"],
  device: Option.some(DeviceGrant.make({ pollAddress: Option.some("/login/oauth/access_token") })),
  renewal: "bearer",
  headers: {
    "user-agent": "GitHubCopilotChat/0.35.0",
    "editor-version": "vscode/1.107.0",
    "editor-plugin-version": "copilot-chat/0.35.0",
    "copilot-integration-id": "vscode-chat"
  },
  normalize,
  expiry: ["expires_at"],
  account,
  statuses: new Map([[401, "InvalidGrant"], [403, "Entitlement"], [404, "Entitlement"]]),
  rotates: false,
  margin: Option.some(Duration.minutes(5)),
  revocation: Option.none(),
  lifetimes: { accessToken: Option.some("minutes; the answer says when"), login: Option.some("until revoked") },
  environment: SourceVariables.of("copilot"),
  terms: Option.some({
    note:
      "GitHub's moderators say that Copilot is for officially supported clients only, and accounts were suspended for "
      + "others (GitHub community discussion 178117)",
    alternative: "the Copilot CLI or SDK, with a token in COPILOT_GITHUB_TOKEN",
    reserved: true
  })
})
