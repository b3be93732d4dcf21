/**
 * Loads the program's chunks with the code that V8 made of them before.
 *
 * Reading, parsing and compiling the program is most of what its start costs, and V8 can keep its result. Node keeps it
 * itself from version 22 on, but for CommonJS and a folder of its own choice, and Node 20 not at all; so the chunks are
 * CommonJS, and what V8 made of those that a kind of command uses is kept in one file beside them.
 *
 * Kept code is run without being looked at, so it is believed exactly as far as the bundle is: it lies in the bundle's
 * folder, belongs to the bundle's owner, and no other user may write it. It names the version of V8, and its folder the
 * content of the bundle, because V8 itself compares no more than the length of the source. Whatever does not fit is
 * ignored, and made anew by the next command that ends well, where it may write there.
 *
 * @since 0.1.0
 */
import * as Fs from "node:fs"
import * as Path from "node:path"
import * as Vm from "node:vm"

/** V8 copies what does not begin at a multiple of this. */
const ALIGNMENT = 8

interface Compiled {
  readonly script: Vm.Script
  readonly isKept: boolean
}

const OTHERS_WRITE = 0o022

/** The kept code by chunk; none where it may have been written by another user than the bundle. */
const read = (path: string, owner: number): ReadonlyMap<string, Buffer> => {
  // An error that is thrown costs more than this question.
  if (!Fs.existsSync(path)) return new Map()
  let fd: number | undefined
  try {
    fd = Fs.openSync(path, Fs.constants.O_RDONLY | (Fs.constants.O_NOFOLLOW ?? 0))
    const stat = Fs.fstatSync(fd)
    if (!stat.isFile() || stat.uid !== owner || (stat.mode & OTHERS_WRITE) !== 0) return new Map()
    const bytes = Fs.readFileSync(fd)
    const start = bytes.readUInt32LE(0)
    const index = JSON.parse(bytes.toString("latin1", 4, 4 + start)) as Record<string, [from: number, to: number]>
    return new Map(Object.entries(index).map(([name, [from, to]]) => [name, bytes.subarray(from, to)]))
  } catch {
    return new Map()
  } finally {
    if (fd !== undefined) Fs.closeSync(fd)
  }
}

const aligned = (size: number): number => Math.ceil(size / ALIGNMENT) * ALIGNMENT

/** The index has a fixed place for every number, so that its length does not depend on them. */
const pack = (codes: ReadonlyMap<string, Buffer>): Buffer => {
  const index = (from: number) => {
    const entries: Record<string, [number, number]> = {}
    let at = from
    for (const [name, code] of codes) {
      entries[name] = [at, at + code.length]
      at = aligned(at + code.length)
    }
    return { text: JSON.stringify(entries), end: at }
  }
  const from = aligned(4 + index(2 ** 31).text.length)
  const { end, text } = index(from)
  const bytes = Buffer.alloc(end)
  bytes.writeUInt32LE(text.length, 0)
  bytes.write(text, 4, "latin1")
  let at = from
  for (const code of codes.values()) {
    code.copy(bytes, at)
    at = aligned(at + code.length)
  }
  return bytes
}

/** Synced before it gets its name: a crash must not leave half of it, which V8 would run. */
const write = (path: string, codes: ReadonlyMap<string, Buffer>): void => {
  const temporary = `${path}.${process.pid}.tmp`
  try {
    Fs.mkdirSync(Path.dirname(path), { recursive: true, mode: 0o755 })
    const fd = Fs.openSync(temporary, "wx", 0o644)
    try {
      Fs.writeFileSync(fd, pack(codes))
      Fs.fsyncSync(fd)
    } finally {
      Fs.closeSync(fd)
    }
    Fs.renameSync(temporary, path)
  } catch {
    // The next command compiles once more.
    Fs.rmSync(temporary, { force: true })
  }
}

/**
 * Makes the `require` of the bundle in a folder. `kind` names what this process is going to do: of every chunk, what such
 * a command runs is kept.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = ({ directory, id, kind, require }: {
  readonly directory: string
  /** Names the content of the bundle. */
  readonly id: string
  readonly kind: string
  /** For everything that is no chunk. */
  readonly require: NodeRequire
}): (chunk: string) => unknown => {
  const path = Path.join(directory, "cache", `${id}-${process.versions.v8}-${process.arch}`, kind)
  const owner = Fs.statSync(directory).uid
  const kept = read(path, owner)
  const compiled = new Map<string, Compiled>()
  const modules = new Map<string, { exports: unknown }>()

  const load = (name: string): unknown => {
    const present = modules.get(name)
    if (present !== undefined) return present.exports
    const filename = Path.join(directory, name)
    const cachedData = kept.get(name)
    // The bundle is ASCII, which needs no decoding.
    const script = new Vm.Script(Fs.readFileSync(filename, "latin1"), {
      filename,
      ...(cachedData === undefined ? {} : { cachedData })
    })
    compiled.set(name, { script, isKept: cachedData !== undefined && script.cachedDataRejected === false })
    const module = { exports: {} as unknown }
    modules.set(name, module)
    const own = (wanted: string): unknown =>
      wanted.startsWith(".") ? load(Path.posix.join(Path.posix.dirname(name), wanted)) : require(wanted)
    // Node's own modules have the same names either way, and its loader of ES modules is more to start than any of them.
    const later = async (wanted: string): Promise<unknown> =>
      wanted.startsWith(".") ? own(wanted) : wanted.startsWith("node:") ? require(wanted) : import(wanted)
    script.runInThisContext()(module, own, later, filename)
    return module.exports
  }

  const keep = (code: number): void => {
    if (code !== 0 || ![...compiled.values()].some(({ isKept }) => !isKept)) return
    if (process.geteuid !== undefined && process.geteuid() !== owner) return
    const codes = new Map(kept)
    for (const [name, { isKept, script }] of compiled) if (!isKept) codes.set(name, script.createCachedData())
    write(path, codes)
  }

  process.once("exit", keep)
  return load
}
