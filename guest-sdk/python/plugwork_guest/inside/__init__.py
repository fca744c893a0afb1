"""What runs only inside a component: exports, their guard, and the replacement of what the sandbox lacks.

Here: everything between the boundary and the author's classes. Not here: anything an author imports. Easy to get wrong:
these modules run once while the component is built, and the memory they leave behind is the component.
"""
