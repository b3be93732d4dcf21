/**
 * A tool whose file can be shared in place, as one whose login is read: the same codec, and nothing of its locks, since
 * readers take none (I9).
 *
 * @since 0.1.0
 */
import type { TenantId } from "@lockstep/core/TenantId"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import type { ToolDocument, ToolFile } from "../ToolFile.js"
import { ToolEntry } from "./ToolEntry.js"
import type { ToolImport } from "./ToolImport.js"

const entry = ({ codec }: ToolFile, document: ToolDocument, tenant: TenantId): ReadonlyArray<ToolEntry> =>
  Either.match(codec.get(document, tenant), {
    onLeft: () => [ToolEntry.Foreign({ name: tenant })],
    onRight: Option.match({
      onNone: () => [],
      onSome: (credential) => [
        Option.isNone(credential.accessToken) && Option.isNone(credential.refreshToken)
          ? ToolEntry.LoggedOut({ name: tenant })
          : ToolEntry.Login({ name: tenant, suggestion: Option.some(tenant), credential })
      ]
    })
  })

/**
 * Reads a tool's file through the codec of its store.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (tool: ToolFile): ToolImport => ({
  name: tool.name,
  title: tool.title,
  store: Option.some(tool.name),
  formats: [{
    locate: (machine) => [tool.locate(machine)],
    read: ({ text }) =>
      Either.map(
        tool.codec.parse(text),
        (document) => tool.codec.list(document).flatMap((tenant) => entry(tool, document, tenant))
      )
  }]
})
