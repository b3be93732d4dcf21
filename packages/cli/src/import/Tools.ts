/**
 * The tools that `--from-tool` knows.
 *
 * @since 0.1.0
 */
import type { ToolImport } from "@lockstep/tools/imports/ToolImport"
import * as ToolImports from "@lockstep/tools/imports/ToolImports"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Nearest from "../line/Nearest.js"
import { UsageError } from "../line/UsageError.js"
import { gh } from "./Gh.js"

/**
 * All of them, by name.
 *
 * @since 0.1.0
 * @category constants
 */
export const all: ReadonlyArray<ToolImport> = [...ToolImports.all, gh].sort((a, b) => a.name < b.name ? -1 : 1)

/**
 * A tool and, where one is named, its file.
 *
 * @since 0.1.0
 * @category models
 */
export interface Named {
  readonly tool: ToolImport
  readonly path: Option.Option<string>
}

const unknown = (name: string): UsageError => {
  const nearest = Nearest.find(name, all.map((tool) => tool.name))
  return new UsageError({
    reason: "Arguments",
    // Not repeated: what is no tool's name may be anything.
    message: "--from-tool: there is no tool of that name",
    advice: nearest.length > 0
      ? `did you mean ${nearest.map((one) => `\`${one}\``).join(" or ")}?`
      : `use one of ${all.map((tool) => tool.name).join(", ")}`
  })
}

/**
 * Reads `NAME` or `NAME:PATH`.
 *
 * @since 0.1.0
 * @category constructors
 */
export const parse = (text: string): Either.Either<Named, UsageError> => {
  const colon = text.indexOf(":")
  const name = colon === -1 ? text : text.slice(0, colon)
  const path = colon === -1 ? Option.none() : Option.some(text.slice(colon + 1))
  const tool = all.find((one) => one.name === name)
  if (tool === undefined) return Either.left(unknown(name))
  return Option.contains(path, "")
    ? Either.left(
      new UsageError({
        reason: "Arguments",
        message: `--from-tool: behind ${name}: a path is expected`,
        advice: `say --from-tool ${name} to look where ${tool.title} keeps it`
      })
    )
    : Either.right({ tool, path })
}
