/**
 * The key hand-over of Xiaomi's MiMo Code, which is not OAuth. Facts as read in XiaomiMiMo/MiMo-Code
 * `packages/opencode/src/plugin/mimo.ts`, not promised by Xiaomi; the variable in NousResearch/hermes-agent
 * `hermes_cli/auth.py`.
 *
 * @since 0.1.0
 */
import * as Option from "effect/Option"
import * as JsonObject from "../JsonObject.js"
import * as OAuthVendor from "../OAuthVendor.js"
import * as SourceVariables from "../SourceVariables.js"

const ISSUER = "https://platform.xiaomimimo.com"

const endpoints = ({ origin }: URL): Partial<OAuthVendor.Endpoints> => ({
  authorizationEndpoint: Option.some(`${origin}/authorize`)
})

/** `{ sk, uid }`, as it comes out of the seal. */
const normalize: OAuthVendor.OAuthVendor["normalize"] = (answer) =>
  Option.match(JsonObject.text(answer, "sk"), {
    onNone: () => answer,
    onSome: (key) => ({ ...answer, access_token: key })
  })

/** The number of a user may come as one. */
const account: OAuthVendor.OAuthVendor["account"] = (answer) =>
  OAuthVendor.account(
    Option.orElse(JsonObject.text(answer, "uid"), () => Option.map(JsonObject.number(answer, "uid"), String)),
    Option.none()
  )

/**
 * MiMo Code: a browser brings a sealed API key, without expiry, refresh or revocation.
 *
 * @since 0.1.0
 * @category vendors
 */
export const mimocode: OAuthVendor.OAuthVendor = OAuthVendor.make({
  ...endpoints(new URL(ISSUER)),
  id: "mimocode",
  name: "MiMo Code (Xiaomi)",
  issuer: Option.some(ISSUER),
  relocate: endpoints,
  clientAuth: "none",
  methods: ["key"],
  redirect: { host: "localhost", ports: [0], path: "/", page: Option.some(`${ISSUER}/authorize/code/callback`) },
  authorizeParameters: { kn: "mimocode" },
  device: Option.none(),
  renewal: "never",
  normalize,
  expiry: [],
  account,
  rotates: false,
  revocation: Option.none(),
  lifetimes: { accessToken: Option.some("no end"), login: Option.some("no end") },
  environment: SourceVariables.of("mimocode"),
  terms: Option.some({
    note: "no terms about other programs were read",
    alternative: "an API key of Xiaomi's platform in XIAOMI_API_KEY",
    reserved: false
  })
})
