/**
 * The bodies of requests: JSON documents, of which an error repeats nothing. What is wrong with one may be a token.
 *
 * @since 0.1.0
 */
import * as HttpServerRequest from "@effect/platform/HttpServerRequest"
import type * as HttpServerResponse from "@effect/platform/HttpServerResponse"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Answers from "./Answers.js"
import { KeeperRefused } from "./KeeperProblem.js"

const malformed = (expected: string) =>
  Answers.refused(
    new KeeperRefused({
      reason: "BadRequest",
      message: `the body is not what is expected here: ${expected}`,
      advice: "send a JSON document with these members; see /v1/openapi.json"
    })
  )

type Respond<R> = Effect.Effect<HttpServerResponse.HttpServerResponse, never, R>

/**
 * Reads a document by its schema and answers; 400 where it is another one. `expected` says in words which it should be.
 *
 * @since 0.1.0
 * @category combinators
 */
export const read = <A, I, R>(
  schema: Schema.Schema<A, I>,
  expected: string,
  answer: (body: A) => Respond<R>
): Respond<R | HttpServerRequest.HttpServerRequest> => {
  const decode = Schema.decodeUnknown(schema)
  return Effect.flatMap(
    HttpServerRequest.HttpServerRequest,
    (request) =>
      Effect.matchEffect(Effect.flatMap(request.json, decode), {
        onFailure: () => Effect.succeed(malformed(expected)),
        onSuccess: answer
      })
  )
}

/**
 * Reads one member, a text that is not empty, and answers.
 *
 * @since 0.1.0
 * @category combinators
 */
export const member = <R>(
  name: string,
  answer: (value: string) => Respond<R>
): Respond<R | HttpServerRequest.HttpServerRequest> =>
  read(
    Schema.Record({ key: Schema.String, value: Schema.Unknown }),
    `{"${name}": "…"}`,
    (body): Respond<R> => {
      const value = Object.hasOwn(body, name) ? body[name] : undefined
      return typeof value === "string" && value !== "" ? answer(value) : Effect.succeed(malformed(`{"${name}": "…"}`))
    }
  )
