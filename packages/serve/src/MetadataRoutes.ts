/**
 * The shape of Google's metadata server, which many clients speak already (`GCE_METADATA_HOST`): service accounts are
 * tenants, and `default` is the one that the caller's key is for.
 *
 * Such a client shows `Metadata-Flavor: Google` in place of a header field of ours, and cannot be given a key to send: it
 * carries one in the address, `GCE_METADATA_HOST=127.0.0.1:PORT/agent/KEY`. The official clients of Python and Go put address
 * and path together; that of Node resolves one against the other, and loses it.
 *
 * @since 0.1.0
 */
import * as HttpRouter from "@effect/platform/HttpRouter"
import * as HttpServerResponse from "@effect/platform/HttpServerResponse"
import type { AccessToken } from "@lockstep/core/AccessToken"
import { RefreshCoordinator } from "@lockstep/core/RefreshCoordinator"
import * as TenantId from "@lockstep/core/TenantId"
import * as AgentKey from "@lockstep/node/AgentKey"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Answers from "./Answers.js"
import type * as Callers from "./Caller.js"
import { Exchange } from "./Exchange.js"
import * as HandOut from "./HandOut.js"
import { KeeperRefused } from "./KeeperProblem.js"

const FLAVOR = { "metadata-flavor": "Google", "cache-control": "no-store" }
const ACCOUNTS = "/computeMetadata/v1/instance/service-accounts"
const DEFAULT = "default"

/** Clients of this shape insist on a number. A token without a known expiry is asked for again. */
const HOUR = 3600

const text = (body: string) => HttpServerResponse.text(body, { headers: FLAVOR, contentType: "application/text" })

const NO_DEFAULT = new KeeperRefused({
  reason: "NoSuchPath",
  message: "which login is meant by `default` cannot be told: the key opens none or several",
  advice:
    "name the tenant as service account, or make a key for one tenant: `lockstep agent add NAME --tenant TENANT --out FILE`"
})

const tenantOf = (caller: Callers.Caller, account: string): TenantId.TenantId | undefined => {
  const name = account === DEFAULT
    ? caller._tag === "Agent" ? AgentKey.onlyTenant(caller.key) : undefined
    : account
  return name === undefined ? undefined : Either.getOrUndefined(TenantId.fromString(name))
}

/**
 * Makes the routes.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = Effect.gen(function*() {
  const coordinator = yield* RefreshCoordinator
  const handOut = yield* HandOut.make

  const forAccount = <E, R>(
    answer: (tenant: TenantId.TenantId, account: string) => Effect.Effect<HttpServerResponse.HttpServerResponse, E, R>
  ) =>
    Effect.gen(function*() {
      const { account = "" } = yield* HttpRouter.params
      const { caller } = yield* Exchange
      const tenant = tenantOf(caller, account)
      return tenant === undefined
        ? Answers.refused(NO_DEFAULT)
        : HttpServerResponse.setHeader(yield* answer(tenant, account), "metadata-flavor", "Google")
    })

  const token = forAccount((tenant) =>
    handOut.ofTenant(
      tenant,
      coordinator.accessToken(tenant),
      (found) =>
        Effect.map(handOut.token(found), ({ access_token, expires_in = HOUR, token_type }) => ({
          access_token,
          expires_in,
          token_type
        }))
    )
  )

  const scopesOf = ({ scope }: AccessToken): ReadonlyArray<string> =>
    scope._tag === "Some" ? scope.value.split(" ") : []

  /**
   * What is known of an account. Its token is asked for next, by the address of mail that stands here: that is the tenant,
   * and not the address of the person who is logged in. One that has expired is refreshed by then.
   */
  const about = forAccount((tenant, account) =>
    handOut.ofTenant(tenant, coordinator.accessToken(tenant), (found) =>
      Effect.succeed({
        aliases: account === DEFAULT ? [DEFAULT] : [],
        email: tenant,
        scopes: scopesOf(found)
      }))
  )

  const line = (render: (found: AccessToken, tenant: TenantId.TenantId) => string) =>
    forAccount((tenant) =>
      handOut.respondOfTenant(
        tenant,
        coordinator.accessToken(tenant),
        (found) => Effect.succeed(text(render(found, tenant)))
      )
    )

  return HttpRouter.empty.pipe(
    HttpRouter.get("/", text("computeMetadata/\n")),
    HttpRouter.get("/computeMetadata/v1/", text("instance/\n")),
    HttpRouter.get(
      `${ACCOUNTS}/`,
      Effect.map(Exchange, ({ caller }) => {
        const only = caller._tag === "Agent" ? AgentKey.onlyTenant(caller.key) : undefined
        return text(only === undefined ? "" : `${DEFAULT}/\n${only}/\n`)
      })
    ),
    HttpRouter.get(`${ACCOUNTS}/:account/`, about),
    HttpRouter.get(`${ACCOUNTS}/:account/email`, line((_, tenant) => tenant)),
    HttpRouter.get(`${ACCOUNTS}/:account/scopes`, line((found) => scopesOf(found).join("\n"))),
    HttpRouter.get(`${ACCOUNTS}/:account/token`, token)
  )
})
