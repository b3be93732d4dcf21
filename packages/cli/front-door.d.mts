/** Writes the bundle of what programs import into a folder below this package, and answers with what it is made of. */
export declare const bundleFrontDoor: (outdir: string) => Promise<{
  readonly outputs: Readonly<Record<string, { readonly inputs: Readonly<Record<string, unknown>> }>>
}>
/** Writes the keyring's helper into `bin` of a folder. */
export declare const copyHelper: (outdir: string) => Promise<void>
