export declare const make: (out: string, dist?: string) => Promise<void>
