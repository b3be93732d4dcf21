/** Writes the bundle of the command into a folder below this package. */
export declare const bundle: (outdir: string) => Promise<void>
