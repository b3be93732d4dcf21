/** Writes the bundle of what programs import into a folder below this package. */
export declare const bundleFrontDoor: (
  outdir: string
) => Promise<{ readonly inputs: Readonly<Record<string, unknown>> }>
/** Writes the keyring's helper into `bin` of a folder. */
export declare const copyHelper: (outdir: string) => Promise<void>
