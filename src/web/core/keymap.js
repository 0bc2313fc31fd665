// The keys of the page: what each is called, and where it works. The help is made of it.

/**
 * `id`: also of what it does, among the words. `on`: what events call it, with the modifiers before it.
 *
 * @typedef {{ id: string, where: 'page' | 'composer' | 'commands' | 'log' | 'list', on: string[] }} Binding
 */

/** @type {Binding[]} */
export const KEYMAP = [
  { id: 'send', where: 'composer', on: ['Enter', 'Ctrl+Enter', 'Meta+Enter'] },
  { id: 'newLine', where: 'composer', on: ['Shift+Enter'] },
  { id: 'recall', where: 'composer', on: ['ArrowUp', 'ArrowDown'] },
  { id: 'complete', where: 'composer', on: ['Tab', 'Shift+Tab'] },
  { id: 'commands', where: 'commands', on: ['ArrowUp', 'ArrowDown', 'Enter', 'Tab', 'Escape'] },
  { id: 'page', where: 'composer', on: ['PageUp', 'PageDown'] },
  { id: 'step', where: 'page', on: ['Alt+ArrowUp', 'Alt+ArrowDown'] },
  { id: 'rooms', where: 'page', on: ['Ctrl+k', 'Meta+k'] },
  { id: 'list', where: 'list', on: ['ArrowUp', 'ArrowDown', 'Home', 'End'] },
  { id: 'menu', where: 'log', on: ['Enter'] },
  { id: 'close', where: 'page', on: ['Escape'] },
];

/** What an event's key is called above. */
function nameOf({ key, altKey, ctrlKey, metaKey, shiftKey }) {
  const modifiers = [altKey && 'Alt', ctrlKey && 'Ctrl', metaKey && 'Meta', shiftKey && 'Shift'].filter(Boolean);
  return [...modifiers, key.length === 1 ? key.toLowerCase() : key].join('+');
}

/**
 * What a key does in a place; '' for nothing. A key that an input method takes for itself does nothing here; Safari tells of
 * the one that ends a conversion by its code alone.
 */
export function actionOf(event, where) {
  if (event.isComposing || event.keyCode === 229) return '';
  const name = nameOf(event);
  return KEYMAP.find((binding) => binding.where === where && binding.on.includes(name))?.id ?? '';
}

/** Whether a key writes something, wherever the focus is. */
export const isWriting = ({ key, altKey, ctrlKey, metaKey, isComposing }) => !altKey && !ctrlKey && !metaKey && !isComposing && key !== ' ' && [...key].length === 1;
