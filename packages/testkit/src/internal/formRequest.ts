import { IncomingMessage } from "node:http"

/**
 * Reads the body of a request whole.
 */
export const readBody = async (request: IncomingMessage): Promise<string> => {
  const chunks: Array<Buffer> = []
  for await (const chunk of request) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks).toString("utf8")
}

/**
 * The parameters of a token request, whichever way they are encoded. RFC 6749 knows forms only; several vendors speak
 * JSON.
 */
export const parameters = (request: IncomingMessage, body: string): URLSearchParams => {
  if (!/^application\/json\b/i.test(request.headers["content-type"] ?? "")) return new URLSearchParams(body)
  const form = new URLSearchParams()
  for (const [name, value] of Object.entries(JSON.parse(body) as Record<string, unknown>)) {
    if (typeof value === "string" || typeof value === "number") form.set(name, String(value))
  }
  return form
}

/**
 * The same request with a form as its body: what was read once cannot be read again, so it becomes a new message.
 */
export const withForm = (request: IncomingMessage, form: URLSearchParams): IncomingMessage => {
  const body = Buffer.from(form.toString(), "utf8")
  const message = new IncomingMessage(request.socket)
  message.method = request.method ?? "POST"
  message.url = request.url ?? "/"
  message.httpVersion = request.httpVersion
  message.headers = {
    ...request.headers,
    "content-type": "application/x-www-form-urlencoded",
    "content-length": String(body.length)
  }
  delete message.headers["transfer-encoding"]
  message.push(body)
  message.push(null)
  // Else its end would look like a client that hung up, and close the socket.
  message.complete = true
  return message
}
