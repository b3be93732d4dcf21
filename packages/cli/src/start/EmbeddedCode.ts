/**
 * Loads the program's chunks out of the executable that they were put into, in place of {@link CodeCache}.
 *
 * @since 0.1.0
 */
import * as Path from "node:path"
import * as Vm from "node:vm"

/** Where the start of the executable leaves the chunks, by name. */
const FILES = Symbol.for("lockstep.files")

const files = (): ReadonlyMap<string, string> =>
  (globalThis as unknown as { readonly [FILES]: ReadonlyMap<string, string> })[FILES]

/**
 * Makes the `require` of the bundle. What is no chunk comes from Node or lies beside the executable.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = ({ directory, require }: {
  readonly directory: string
  readonly id: string
  readonly kind: string
  readonly require: NodeRequire
}): (chunk: string) => unknown => {
  const modules = new Map<string, { exports: unknown }>()
  const load = (name: string): unknown => {
    const present = modules.get(name)
    if (present !== undefined) return present.exports
    const filename = Path.join(directory, name)
    const script = new Vm.Script(files().get(name) ?? "", { filename })
    const module = { exports: {} as unknown }
    modules.set(name, module)
    const own = (wanted: string): unknown =>
      wanted.startsWith(".") ? load(Path.posix.join(Path.posix.dirname(name), wanted)) : require(wanted)
    // An executable imports nothing from files: native packages are CommonJS, and looked up beside it.
    const later = async (wanted: string): Promise<unknown> => {
      const found = own(wanted)
      return wanted.startsWith(".") || wanted.startsWith("node:") ? found : { default: found }
    }
    script.runInThisContext()(module, own, later, filename)
    return module.exports
  }
  return load
}
