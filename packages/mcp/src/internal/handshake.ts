import * as JsonRpc from "../JsonRpc.js"

/** What a session was told, so that another one can take its place without the client's knowing. */
export interface Handshake {
  /** Takes note of what goes to the server. */
  readonly sent: (message: JsonRpc.Message) => void
  /** Takes note of what comes from the server. */
  readonly received: (message: JsonRpc.Message) => void
  /** The request that the client began with. */
  readonly initialize: () => JsonRpc.Request | undefined
  /** The revision that was agreed upon. */
  readonly version: () => string | undefined
  /** What brings a new session to where the old one was. */
  readonly restore: () => ReadonlyArray<JsonRpc.Message>
  /** What the client has to know: questions of the old session need no answer, and lists may be other ones. */
  readonly afterwards: () => ReadonlyArray<JsonRpc.Message>
}

const LISTS = ["tools", "prompts", "resources"] as const

const notification = (method: string, params?: unknown): JsonRpc.Message => ({
  jsonrpc: "2.0",
  method,
  ...(params === undefined ? {} : { params })
})

export const make = (): Handshake => {
  let initialize: JsonRpc.Request | undefined
  let version: string | undefined
  let capabilities: unknown
  let level: unknown
  const subscriptions = new Map<string, unknown>()
  const asked = new Map<string, unknown>()

  return {
    sent: (message) => {
      if (JsonRpc.isResponse(message)) asked.delete(JsonRpc.keyOf(message.id))
      if (!JsonRpc.isRequest(message)) return
      const uri = String(JsonRpc.member(message.params, "uri"))
      switch (message.method) {
        case "initialize":
          initialize = message
          break
        case "logging/setLevel":
          level = message.params
          break
        case "resources/subscribe":
          subscriptions.set(uri, message.params)
          break
        case "resources/unsubscribe":
          subscriptions.delete(uri)
          break
      }
    },
    received: (message) => {
      if (JsonRpc.isRequest(message)) asked.set(JsonRpc.keyOf(message.id), message.id)
      if (message.method === "notifications/cancelled") {
        asked.delete(JsonRpc.keyOf(JsonRpc.member(message.params, "requestId")))
      }
      if (initialize !== undefined && JsonRpc.isResponse(message) && message.id === initialize.id) {
        const agreed = JsonRpc.member(message.result, "protocolVersion")
        if (typeof agreed !== "string") return
        version = agreed
        capabilities = JsonRpc.member(message.result, "capabilities")
      }
    },
    initialize: () => initialize,
    version: () => version,
    restore: () => [
      notification("notifications/initialized"),
      ...(level === undefined ? [] : [{ jsonrpc: "2.0" as const, method: "logging/setLevel", params: level }]),
      ...[...subscriptions.values()].map((params) => ({
        jsonrpc: "2.0" as const,
        method: "resources/subscribe",
        params
      }))
    ],
    afterwards: () => {
      const questions = [...asked.values()]
      asked.clear()
      return [
        ...questions.map((requestId) =>
          notification("notifications/cancelled", { requestId, reason: "the server has begun a new session" })
        ),
        ...LISTS
          .filter((list) => JsonRpc.member(JsonRpc.member(capabilities, list), "listChanged") === true)
          .map((list) => notification(`notifications/${list}/list_changed`))
      ]
    }
  }
}
