/**
 * The first file of the command: loads its start with the code that is kept of it.
 *
 * @since 0.1.0
 */
import * as CodeCache from "./start/CodeCache.js"
import type * as Start from "./start/Start.js"

/** Names the content of the bundle; set when it is built. */
declare const BUNDLE: string

const load = (kind: string, chunk: string): unknown =>
  CodeCache.make({ directory: __dirname, id: BUNDLE, kind, require })(chunk)

// A line for a token runs other functions of the start than one that only passes through it.
const kind = process.argv[2] === "token" ? "start-token" : "start"
;(load(kind, "start.js") as typeof Start).main({ load, beside: require })
