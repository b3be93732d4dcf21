/**
 * A journal as text: what every step of a redemption writes, and, apart from it, the history that only a settlement does.
 *
 * As text and not as jsonb, which refuses characters that a server's error description may hold.
 */
import { CredentialStoreError } from "@lockstep/core/Errors"
import * as RefreshJournal from "@lockstep/core/RefreshJournal"
import type { TenantId } from "@lockstep/core/TenantId"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import type { Row } from "./connection.js"

const encode = Schema.encodeSync(RefreshJournal.JournalRecord)
const decode = Schema.decodeUnknown(RefreshJournal.JournalRecord)
const parse = Schema.decodeUnknown(Schema.parseJson(Schema.Record({ key: Schema.String, value: Schema.Unknown })))

export interface JournalText {
  readonly journal: string
  readonly history: string
  readonly intent: string | null
}

export const write = (record: RefreshJournal.JournalRecord): JournalText => {
  const { outcomes, retired, ...journal } = encode(record)
  return {
    journal: JSON.stringify(journal),
    history: JSON.stringify({ outcomes, retired }),
    intent: Option.getOrNull(Option.map(record.intent, ({ state }) => state))
  }
}

/** A tenant without a row has no journal either. */
export const read = (
  tenant: TenantId,
  location: string,
  row: Row | undefined
): Effect.Effect<RefreshJournal.JournalRecord, CredentialStoreError> => {
  const text = (name: string): string => typeof row?.[name] === "string" ? row[name] : ""
  if (text("journal") === "") return Effect.succeed(RefreshJournal.empty(tenant))
  return Effect.all([
    parse(text("journal")),
    text("history") === "" ? Effect.succeed({ outcomes: [], retired: [] }) : parse(text("history"))
  ]).pipe(
    Effect.flatMap(([journal, history]) => decode({ ...journal, ...history })),
    // Dropped, because it quotes the journal.
    Effect.mapError(() => new CredentialStoreError({ reason: "Decode", location }))
  )
}
