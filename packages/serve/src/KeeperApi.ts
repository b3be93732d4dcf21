/**
 * The interface of a keeper, as values: routes, what they take and what they answer. The server is built from it, and so is
 * its OpenAPI document.
 *
 * @since 0.1.0
 */
import * as HttpApi from "@effect/platform/HttpApi"
import * as HttpApiEndpoint from "@effect/platform/HttpApiEndpoint"
import * as HttpApiGroup from "@effect/platform/HttpApiGroup"
import * as HttpApiSchema from "@effect/platform/HttpApiSchema"
import * as OpenApi from "@effect/platform/OpenApi"
import * as DurationText from "@lockstep/core/DurationText"
import { TenantId } from "@lockstep/core/TenantId"
import * as Schema from "effect/Schema"
import { Admission } from "./Exchange.js"
import * as KeeperWire from "./KeeperWire.js"

const Account = Schema.Struct({ id: Schema.optional(Schema.String), label: Schema.optional(Schema.String) })
  .annotations({
    identifier: "Account"
  })

const Seconds = Schema.Number.annotations({ description: "seconds" })
const Moment = Schema.Number.annotations({ description: "seconds since the epoch" })

/**
 * A span of time in a query: `300`, `300s`, `5m`. A bare number is seconds.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Span = Schema.String.pipe(
  Schema.filter((text) => DurationText.millis(text) !== undefined, {
    message: () => "a span of time is expected: 300, 300s, 5m"
  })
).annotations({ description: "a span of time: 300 (seconds), 300s, 5m" })

/**
 * An access token (RFC 6749 §5.1). What is not known is left out.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Token = Schema.Struct({
  access_token: Schema.String,
  token_type: Schema.String,
  expires_in: Schema.optional(Seconds),
  expires_at: Schema.optional(Moment),
  scope: Schema.optional(Schema.String),
  resource: Schema.optional(Schema.String.annotations({ description: "RFC 8707: whom the token is for" })),
  tenant: Schema.String,
  account: Schema.optional(Account),
  generation: Schema.Number.annotations({ description: "counts the changes of the login" }),
  store: Schema.optional(
    Schema.String.annotations({ description: "where it is stored; told to the home's user alone" })
  )
}).annotations({ identifier: "Token" })

/**
 * How a login stands.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Tenant = Schema.Struct({
  tenant: Schema.String,
  state: Schema.String.annotations({
    description: "fresh, expiring, expired, refreshing, cooldown, needs_login or damaged"
  }),
  reason: Schema.optional(Schema.String.annotations({ description: "why the next refresh needs a person" })),
  expires_at: Schema.optional(Moment),
  account: Schema.optional(Account),
  generation: Schema.optional(Schema.Number)
}).annotations({ identifier: "Tenant" })

/**
 * Why there is no answer: the members that the command prints with `--json`.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Problem = Schema.Struct({
  error: Schema.Struct({
    _tag: Schema.String.annotations({ description: "what to do next depends on it alone" }),
    reason: Schema.NullOr(Schema.String),
    message: Schema.String,
    advice: Schema.String.annotations({ description: "what to do, as a command that works where there is one" }),
    exit_code: Schema.Number.annotations({ description: "with which the command would end" }),
    tenant: Schema.optional(Schema.String),
    retry_after: Schema.optional(Seconds),
    source: Schema.optional(Schema.Unknown.annotations({ description: "the error as the library has it" }))
  })
}).annotations({ identifier: "Problem" })

const problem = (status: number, description: string) =>
  Problem.annotations({ ...HttpApiSchema.annotations({ status }), identifier: `Problem${status}`, description })

const PROBLEMS = {
  malformed: problem(400, "the request is not understood"),
  unknown: problem(401, "an agent's key is missing, none of this home's, removed, or its time is over"),
  refused: problem(403, "not from here: a page, a proxy, or without the header field that every request has"),
  absent: problem(404, "there is no such login, or it is not one of this key's"),
  person: problem(409, "a person must log in (`ReauthorizationRequired`), or the client means another home"),
  machine: problem(500, "something is wrong on this machine: store, lock, audit"),
  rejected: problem(502, "the authorization server refuses, and a login would not help"),
  later: problem(503, "try again, as `Retry-After` says"),
  slow: problem(504, "the authorization server takes long; the same request joins the one that runs")
}

const tenant = HttpApiSchema.param("tenant", TenantId.annotations({ description: "the name of a login" }))

const wishes = Schema.Struct({ min_ttl: Schema.optional(Span), margin: Schema.optional(Span) })

const token = HttpApiEndpoint.get("token")`/tenants/${tenant}/token`
  .setUrlParams(Schema.Struct({
    ...wishes.fields,
    refresh: Schema.optional(
      Schema.Literal("true", "false").annotations({
        description: "false: what is stored, or an error; no server is asked"
      })
    )
  }))
  .addSuccess(Token)
  .annotate(OpenApi.Summary, "A usable access token, refreshed first where necessary")

const rejected = HttpApiEndpoint.post("rejected")`/tenants/${tenant}/rejected`
  .setUrlParams(wishes)
  .setPayload(Schema.Struct({
    access_token: Schema.String.annotations({
      description: "the token that got a 401; one that is outdated is only compared"
    })
  }))
  .addSuccess(Token)
  .annotate(OpenApi.Summary, "Another access token than the one that was rejected")

const Refreshed = Schema.Struct({
  token: Token,
  by: Schema.Literal("redeemed", "adopted"),
  rotated: Schema.Boolean,
  previous_generation: Schema.Number
}).annotations({ identifier: "Refreshed" })

const refresh = HttpApiEndpoint.post("refresh")`/tenants/${tenant}/refresh`
  .addSuccess(Refreshed)
  .annotate(OpenApi.Summary, "Refreshes now, on a person's behalf; for the user of the home alone")

const list = HttpApiEndpoint.get("list", "/tenants")
  .addSuccess(Schema.Struct({ tenants: Schema.Array(Tenant) }))
  .annotate(OpenApi.Summary, "How the logins stand that the caller may use")

const tenants = HttpApiGroup.make("tenants")
  .add(list)
  .add(token)
  .add(rejected)
  .add(refresh)
  .addError(PROBLEMS.malformed)
  .addError(PROBLEMS.absent)
  .addError(PROBLEMS.person)
  .addError(PROBLEMS.rejected)
  .addError(PROBLEMS.slow)

const events = HttpApiGroup.make("events").add(
  HttpApiEndpoint.get("events", "/events")
    .addSuccess(HttpApiSchema.Text({ contentType: "text/event-stream" }))
    .annotate(OpenApi.Summary, "What happens to the logins that the caller may use, as server-sent events")
    .annotate(
      OpenApi.Description,
      "Events `rotated`, `login_needed`, `account_changed` and `removed`, each with a JSON document that names the tenant. "
        + "A comment every 15 seconds says that the keeper lives."
    )
)

const Invitation = Schema.Struct({
  tenant: Schema.String,
  kind: Schema.Literal("browser", "device"),
  url: Schema.String.annotations({ description: "to be shown to the person" }),
  user_code: Schema.optional(Schema.String),
  expires_at: Moment,
  interval: Schema.optional(Seconds)
}).annotations({ identifier: "Invitation" })

const LoggedIn = Schema.Struct({
  tenant: Schema.String,
  account: Schema.optional(Account),
  expires_at: Schema.optional(Moment),
  generation: Schema.Number
}).annotations({ identifier: "LoggedIn" })

const logins = HttpApiGroup.make("logins")
  .add(
    HttpApiEndpoint.post("begin", "/logins")
      .setPayload(Schema.Struct({
        target: Schema.String.annotations({
          description: "a vendor, the address of an MCP server, or a login to repeat"
        }),
        tenant: Schema.optional(Schema.String),
        profile: Schema.optional(Schema.String),
        device: Schema.optional(Schema.Boolean)
      }))
      .addSuccess(Invitation, { status: 201 })
      .annotate(OpenApi.Summary, "Begins a login: gives the address to show to the person")
  )
  .add(
    HttpApiEndpoint.post("complete")`/logins/${tenant}/code`
      .setPayload(Schema.Struct({
        code: Schema.String.annotations({
          description: "the code, `code#state`, or the address the browser was sent to"
        })
      }))
      .addSuccess(LoggedIn)
      .annotate(OpenApi.Summary, "Ends a login that a browser has answered")
  )
  .add(
    HttpApiEndpoint.post("poll")`/logins/${tenant}/poll`
      .addSuccess(LoggedIn)
      .annotate(OpenApi.Summary, "Asks once whether the person has agreed on the other device")
  )
  .addError(PROBLEMS.malformed)
  .addError(PROBLEMS.absent)
  .addError(PROBLEMS.person)
  .addError(PROBLEMS.rejected)
  .addError(PROBLEMS.slow)

const document = HttpApiGroup.make("document").add(
  HttpApiEndpoint.get("alive", "/alive")
    .addSuccess(Schema.Struct({ alive: Schema.Literal(true) }))
    .annotate(OpenApi.Summary, "Says that the keeper lives")
).add(
  HttpApiEndpoint.get("openapi", "/openapi.json")
    .addSuccess(Schema.Unknown)
    .annotate(OpenApi.Summary, "This document")
)

/**
 * The interface.
 *
 * @since 0.1.0
 * @category api
 */
export class KeeperApi extends HttpApi.make("keeper")
  .add(tenants.middleware(Admission))
  .add(events.middleware(Admission))
  .add(logins.middleware(Admission))
  .add(document.middleware(Admission))
  .addError(PROBLEMS.unknown)
  .addError(PROBLEMS.refused)
  .addError(PROBLEMS.machine)
  .addError(PROBLEMS.later)
  .prefix("/v1")
  .annotate(OpenApi.Title, "Lockstep's keeper")
  .annotate(OpenApi.Version, "1")
  .annotate(
    OpenApi.Description,
    "Access tokens of the logins of one user on one machine. Every request has the header field "
      + `\`${KeeperWire.CLIENT}\`. Over the user's own socket no key is asked for; elsewhere an agent's key is, in \`Authorization\`.`
  )
{}

/**
 * The OpenAPI document.
 *
 * @since 0.1.0
 * @category rendering
 */
export const openApi = (): OpenApi.OpenAPISpec => OpenApi.fromApi(KeeperApi)
