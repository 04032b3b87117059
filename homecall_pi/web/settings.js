// What this browser remembers: the name, and nothing else.

const KEY = "homecall.name";

export const settings = {
  name: read(),

  set(name) {
    this.name = name;
    try {
      localStorage.setItem(KEY, name);
    } catch {
      // A browser that remembers nothing asks for the name again next time.
    }
  },
};

function read() {
  try {
    return localStorage.getItem(KEY) ?? "";
  } catch {
    return "";
  }
}
