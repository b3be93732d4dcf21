/** What is bundled. */
export declare const ENTRIES: ReadonlyArray<string>
/** Every bundled package with its licence. */
export declare const notices: () => Promise<
  ReadonlyArray<{ readonly id: string; readonly license: string; readonly text: string }>
>
/** The text of NOTICE. */
export declare const render: (found: Awaited<ReturnType<typeof notices>>) => string
