/** The leaf role. */
export { Leaf, type LeafOptions } from './leaf.ts'
