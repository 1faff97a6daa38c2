"""Why a frame looks as it does: every stage of it as pictures, arrays, and a page."""
