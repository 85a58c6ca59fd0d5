/** What a leaf keeps on disk until its hub has it. */

export { BufferRules } from './buffer-rules.ts'
export {
  type BufferEngine,
  type BufferStream,
  type BufferStreamConfig,
  Buffers,
  type BuffersDependencies,
  type BuffersOptions,
} from './buffers.ts'
export type { SeqRange } from './holes.ts'
export { LeafBuffer } from './leaf-buffer.ts'
