/**
 * The Grok login of xAI. Facts as read in public clients, not promised by xAI:
 *
 * - issuer, endpoints, client, redirect, parameters, five minutes of margin: xai-org/grok-build
 *   `crates/codegen/xai-grok-shell/src/auth`
 * - scopes, `referrer` with the program's own name, members that an answer may lack: earendil-works/pi
 *   `packages/ai/src/auth/oauth/xai.ts`
 * - rotation at each refresh, reuse ends the family, 403 is about the plan: NousResearch/hermes-agent
 *   `hermes_cli/auth_xai.py`
 *
 * @since 0.1.0
 */
import * as Duration from "effect/Duration"
import * as Option from "effect/Option"
import * as DeviceGrant from "../DeviceGrant.js"
import * as OAuthVendor from "../OAuthVendor.js"
import * as SourceVariables from "../SourceVariables.js"

/** Who asks. */
const REFERRER = "lockstep"

/**
 * xAI: discovery, RFC 8628 and RFC 6749 as they are written, 403 for a plan that lacks it. `XAI_API_KEY`, which the
 * vendor's own client takes for want of a login only, wins here as every variable does.
 *
 * @since 0.1.0
 * @category vendors
 */
export const xai: OAuthVendor.OAuthVendor = OAuthVendor.make({
  id: "xai-oauth",
  name: "xAI (Grok login)",
  issuer: Option.some("https://auth.x.ai"),
  tokenEndpoint: Option.some("https://auth.x.ai/oauth2/token"),
  deviceAuthorizationEndpoint: Option.some("https://auth.x.ai/oauth2/device/code"),
  clientId: Option.some("b1a00492-073a-47ea-816f-4c329264a828"),
  clientIdVariables: ["GROK_OAUTH2_CLIENT_ID"],
  clientAuth: "none",
  methods: ["browser", "paste", "device"],
  redirect: { host: "127.0.0.1", ports: [0], path: "/callback", page: Option.none() },
  scopes: ["openid", "profile", "email", "offline_access", "grok-cli:access", "api:access"],
  authorizeParameters: { referrer: REFERRER },
  device: Option.some(DeviceGrant.make({ parameters: { referrer: REFERRER } })),
  expiry: ["expires_in", "jwt_exp"],
  statuses: new Map([[403, "Entitlement"]]),
  margin: Option.some(Duration.minutes(5)),
  lifetimes: { accessToken: Option.some("6 hours, at times 15 minutes"), login: Option.none() },
  environment: SourceVariables.of("xai-oauth"),
  terms: Option.some({
    note:
      "xAI promotes this login in Hermes, OpenCode and OpenClaw, and registers no other programs; this one uses the "
      + "client of xAI's own (lzvxck/seri-agent issue 223)",
    alternative: "an API key in XAI_API_KEY",
    reserved: false
  })
})
