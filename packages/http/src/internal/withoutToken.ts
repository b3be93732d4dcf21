/**
 * Answers and errors point back to the request that was sent, and that one holds the token. What a caller is given
 * points to the request that he made.
 */
import * as HttpClientError from "@effect/platform/HttpClientError"
import type { HttpClientRequest } from "@effect/platform/HttpClientRequest"
import * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import * as HttpIncomingMessage from "@effect/platform/HttpIncomingMessage"
import * as Effect from "effect/Effect"
import * as Inspectable from "effect/Inspectable"
import * as Stream from "effect/Stream"

type Response = HttpClientResponse.HttpClientResponse

class Unsigned extends Inspectable.Class implements Response {
  readonly [HttpIncomingMessage.TypeId]: HttpIncomingMessage.TypeId = HttpIncomingMessage.TypeId
  readonly [HttpClientResponse.TypeId]: HttpClientResponse.TypeId = HttpClientResponse.TypeId
  readonly request: HttpClientRequest
  readonly #signed: Response

  constructor(signed: Response, request: HttpClientRequest) {
    super()
    this.#signed = signed
    this.request = request
  }
  get status() {
    return this.#signed.status
  }
  get headers() {
    return this.#signed.headers
  }
  get cookies() {
    return this.#signed.cookies
  }
  get remoteAddress() {
    return this.#signed.remoteAddress
  }
  get text(): Response["text"] {
    return this.#unsign(this.#signed.text)
  }
  get json(): Response["json"] {
    return this.#unsign(this.#signed.json)
  }
  get urlParamsBody(): Response["urlParamsBody"] {
    return this.#unsign(this.#signed.urlParamsBody)
  }
  get formData(): Response["formData"] {
    return this.#unsign(this.#signed.formData)
  }
  get arrayBuffer(): Response["arrayBuffer"] {
    return this.#unsign(this.#signed.arrayBuffer)
  }
  get stream(): Response["stream"] {
    return Stream.mapError(this.#signed.stream, (error) => this.#unsignError(error))
  }
  toJSON() {
    return HttpIncomingMessage.inspect(this, {
      _id: "@effect/platform/HttpClientResponse",
      request: this.request.toJSON(),
      status: this.status
    })
  }
  #unsign<A>(effect: Effect.Effect<A, HttpClientError.ResponseError>): Effect.Effect<A, HttpClientError.ResponseError> {
    return Effect.mapError(effect, (error) => this.#unsignError(error))
  }
  #unsignError(error: HttpClientError.ResponseError): HttpClientError.ResponseError {
    return new HttpClientError.ResponseError({ ...error, request: this.request, response: this })
  }
}

export const ofResponse = (response: Response, request: HttpClientRequest): Response => new Unsigned(response, request)

export const ofError = <E>(error: E, request: HttpClientRequest): E => {
  if (!HttpClientError.isHttpClientError(error)) return error
  const unsigned = error._tag === "RequestError"
    ? new HttpClientError.RequestError({ ...error, request })
    : new HttpClientError.ResponseError({ ...error, request, response: ofResponse(error.response, request) })
  return unsigned as E
}
