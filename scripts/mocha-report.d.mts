export function countOf(output: string, word: string): number | undefined
export function failedTests(output: string): string[]
