/**
 * JSON-RPC messages as a bridge that only passes them on sees them: who a message is from and whom it answers, and the
 * text that it came in, which is what is passed on. Parsing and writing it again would round every large number.
 *
 * @since 0.1.0
 */

/**
 * The id of a request.
 *
 * @since 0.1.0
 * @category models
 */
export type Id = string | number

/**
 * A message. What it is, is told by {@link isRequest}, {@link isNotification} and {@link isResponse}.
 *
 * @since 0.1.0
 * @category models
 */
export interface Message {
  jsonrpc: "2.0"
  id?: Id | null | undefined
  method?: string | undefined
  params?: unknown
  result?: unknown
  error?: unknown
}

/**
 * A message that wants an answer.
 *
 * @since 0.1.0
 * @category models
 */
export interface Request extends Message {
  id: Id
  method: string
}

/**
 * The error of an answer.
 *
 * @since 0.1.0
 * @category models
 */
export interface RpcError {
  readonly code: number
  readonly message: string
  readonly data?: unknown
}

/**
 * Codes of JSON-RPC 2.0, section 5.1.
 *
 * @since 0.1.0
 * @category constants
 */
export const ErrorCode = { Parse: -32_700, InvalidRequest: -32_600, Internal: -32_603 } as const

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value)

const isId = (value: unknown): value is Id => typeof value === "string" || typeof value === "number"

/**
 * Reads a member of what may be no object at all.
 *
 * @since 0.1.0
 * @category getters
 */
export const member = (value: unknown, name: string): unknown =>
  isObject(value) && Object.hasOwn(value, name) ? value[name] : undefined

/**
 * Tells whether a message wants an answer.
 *
 * @since 0.1.0
 * @category guards
 */
export const isRequest = (message: Message): message is Request =>
  typeof message.method === "string" && isId(message.id)

/**
 * Tells whether a message is a notification: it wants no answer and is not one.
 *
 * @since 0.1.0
 * @category guards
 */
export const isNotification = (message: Message): boolean => typeof message.method === "string" && !isId(message.id)

/**
 * Tells whether a message is an answer. An error that names no request is one, too.
 *
 * @since 0.1.0
 * @category guards
 */
export const isResponse = (message: Message): boolean =>
  message.method === undefined &&
  (Object.hasOwn(message, "error") || isId(message.id) && Object.hasOwn(message, "result"))

/**
 * Tells ids apart: `1` and `"1"` are two.
 *
 * @since 0.1.0
 * @category getters
 */
export const keyOf = (id: unknown): string => `${typeof id}:${String(id)}`

const VERSION_KEY = "io.modelcontextprotocol/protocolVersion"

/**
 * The revision that a request says it is of. Since 2026-07-28 each does; before, the session is of one.
 *
 * @since 0.1.0
 * @category getters
 */
export const versionOf = (message: Message): string | undefined => {
  const version = member(member(message.params, "_meta"), VERSION_KEY)
  return typeof version === "string" ? version : undefined
}

const texts = new WeakMap<object, string>()

/** A message of this text, where it is one. */
const one = (value: unknown): Message | undefined => {
  if (!isObject(value) || value["jsonrpc"] !== "2.0") return undefined
  const message = value as unknown as Message
  return isRequest(message) || isNotification(message) || isResponse(message) ? message : undefined
}

/**
 * Why a text is no message, and the request that it would have been.
 *
 * @since 0.1.0
 * @category models
 */
export interface Malformed {
  readonly code: number
  readonly id: Id | null
}

/**
 * Reads the messages of a text: one, or several in a batch, as before the revision 2025-06-18.
 *
 * @since 0.1.0
 * @category constructors
 */
export const parse = (text: string): ReadonlyArray<Message> | Malformed => {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    return { code: ErrorCode.Parse, id: null }
  }
  const messages = (Array.isArray(value) ? value : [value]).map(one)
  if (messages.length === 0 || messages.includes(undefined)) {
    const id = member(value, "id")
    return { code: ErrorCode.InvalidRequest, id: isId(id) ? id : null }
  }
  // A line break can only stand between two members: inside of a string it would be escaped.
  if (!Array.isArray(value)) texts.set(messages[0]!, text.trim().replaceAll(/[\r\n]+/g, " "))
  return messages as ReadonlyArray<Message>
}

/**
 * Writes a message on one line: in the very text that it was read from, where there is one.
 *
 * @since 0.1.0
 * @category rendering
 */
export const stringify = (message: object): string => texts.get(message) ?? JSON.stringify(message)

/**
 * Answers a request with an error.
 *
 * @since 0.1.0
 * @category constructors
 */
export const failure = (id: Id | null, error: RpcError): Message => ({ jsonrpc: "2.0", id, error })
