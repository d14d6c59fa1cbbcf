import typer
def register(app): pass
