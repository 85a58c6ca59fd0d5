import { benchStore, type StoreBenchOptions } from './store.ts'

/** The store's benchmark in a process of its own: its memory is one of the figures. */
const options: StoreBenchOptions = JSON.parse(process.argv[2] ?? '{}')
process.stdout.write(`${JSON.stringify(await benchStore(options))}\n`)
