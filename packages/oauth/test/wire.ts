import type { WireAnswer } from "@lockstep/oauth/WireExchange"
import { WireExchange } from "@lockstep/oauth/WireExchange"
import * as Redacted from "effect/Redacted"

/** A captured answer. */
export const answer = (
  status: number,
  body: unknown,
  rest: Partial<Omit<WireAnswer, "status" | "body">> = {}
): WireExchange =>
  WireExchange.Answered({
    answer: {
      status,
      contentType: "application/json",
      retryAfter: null,
      retryAfterMs: null,
      date: null,
      end: "Whole",
      ...rest,
      body: Redacted.make(typeof body === "string" ? body : JSON.stringify(body))
    }
  })

const part = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString("base64url")

/** An unsigned JWT. */
export const jwt = (claims: Record<string, unknown>): string => `${part({ alg: "none" })}.${part(claims)}.c2ln`
