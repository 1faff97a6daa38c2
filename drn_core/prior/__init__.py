"""The geometric prior: a layered skinned mesh of one photo, posed by a skeleton.

`build_person` cuts the photo into layers (once per photo), `PriorRenderer` poses and renders them (once per frame).
"""
